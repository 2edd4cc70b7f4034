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

/// Work on one plan is cut into phases, a phase into one part per member; a phase begins when the one
/// before it is done. Every member does its own part, but when another does not turn up for its part,
/// because its core was taken away, it is done for it: a busy neighbour costs a core, not the rest.
/// Which thread does a part never changes a result.
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

  /// One member's way through the phases of a job.
  class Member {
   public:
    /// Calls part(0) ... part(size - 1), each once and by somebody; all are done on return.
    template <class F>
    void phase(const F& part) {
      team_.phase(index, done_phases_++, part);
    }
    int team_size() const { return team_.size(); }
    const int index;

   private:
    friend class Team;
    Member(Team& team, int own) : index(own), team_(team) {}
    Team& team_;
    uint32_t done_phases_ = 0;
  };

  /// Runs job(member) on every member's thread, the caller's among them. All walk through the same
  /// phases; what lies between phases must change nothing that is shared. One job at a time.
  void run(const std::function<void(Member&)>& job);

 private:
  template <class F>
  void phase(int own, uint32_t number, const F& part) {
    if (members_ == 1) return part(0);
    const uint32_t all = (number + 1) * (uint32_t)members_;
    const auto attempt = [&](int i) {
      uint32_t expected = number;
      if (!claims_[i].phases.compare_exchange_strong(expected, number + 1)) return;
      part(i);
      finished_.fetch_add(1);
      finished_.notify_all();
    };
    attempt(own);
    if (waited(all, kPatience)) return;
    for (int i = 0; i < members_; ++i)
      if (i != own) attempt(i);
    if (!waited(all, kAttention)) sleep(all);
  }
  // In pauses of the processor, about 40 ns each: the usual unevenness of two parts, before doing
  // the work of others; and what is less than the cost of waking up, before going to sleep.
  static constexpr int kPatience = 200, kAttention = 1000;
  /// How long a thread without a job looks out for the next before it sleeps: calls from Python often
  /// follow one another, and waking up takes longer than predicting with a small model.
  static constexpr int kLookout = 4000;
  /// Whether all parts are finished, after a short wait.
  bool waited(uint32_t all, int spins) const;
  void sleep(uint32_t all) const;
  void work(int member);
  std::unique_lock<std::mutex> hold();

  struct alignas(64) Claim {
    std::atomic<uint32_t> phases{0};  // how many phases of this part somebody has taken
  };
  const int members_;
  std::unique_ptr<Claim[]> claims_;
  alignas(64) std::atomic<uint32_t> finished_{0};  // parts, over all phases
  std::vector<std::thread> threads_;
  std::mutex one_job_, mutex_;
  std::condition_variable start_, left_;
  const std::function<void(Member&)>* job_ = nullptr;
  std::atomic<uint64_t> round_{0};  // odd while there is a job
  std::atomic<int> inside_{0};      // other threads that are at work on the job
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
