// A team of threads that works on one plan: each takes its rows, all meet at a barrier.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace elman {

/// All members arrive before any goes on. Spins briefly, then sleeps, so that a core taken away by
/// someone else costs no more than its absence.
class Barrier {
 public:
  explicit Barrier(int members) : members_(members) {}
  void wait();

 private:
  const int members_;
  std::atomic<int> arrived_{0};
  std::atomic<uint32_t> round_{0};
};

class Team {
 public:
  /// The team of that size of this process: one for all plans, so that idle threads do not pile up.
  static std::shared_ptr<Team> of(int members);

  explicit Team(int members);
  ~Team();
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  int size() const { return members_; }
  /// Threads do not survive fork(): a child process asks for a team of its own.
  bool elsewhere() const;
  /// One job at a time; others wait. Runs job(0) here and job(1) ... job(size - 1) on the other members, until all are done.
  /// The first exception, in the order of members, is thrown again here. A job that throws must
  /// not be waited for at a barrier: check before starting.
  void run(const std::function<void(int)>& job);
  void meet() { barrier_.wait(); }
  /// The sum of what each member brings, added in the order of members: the same bits for all.
  double sum(int member, double part);

 private:
  void work(int member);

  const int members_;
  Barrier barrier_;
  std::vector<double> parts_;
  std::vector<std::thread> threads_;
  std::mutex one_job_;
  std::mutex mutex_;
  std::condition_variable start_, done_;
  const std::function<void(int)>* job_ = nullptr;
  uint64_t round_ = 0;
  int running_ = 0;
  bool stop_ = false;
  const int process_;
};

/// How many threads new plans use: ELMAN_THREADS, or the cores this process may use.
int thread_count();
void set_thread_count(int count);

/// Denormal numbers count as zero while one of these lives: a vanishing gradient is full of them,
/// and processors handle them many times slower.
class FlushDenormals {
 public:
  FlushDenormals();
  ~FlushDenormals();

 private:
  uint64_t before_;
};

}  // namespace elman
