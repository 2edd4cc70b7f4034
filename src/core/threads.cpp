#include "threads.h"

#include <sched.h>
#include <unistd.h>

#include <cstdlib>
#include <exception>
#include <map>
#include <stdexcept>
#include <string>

#if defined(__x86_64__) || defined(__i386__)
#include <immintrin.h>
#endif

namespace elman {

namespace {
void pause() {
#if defined(__x86_64__) || defined(__i386__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}
constexpr int kSpins = 4000;  // tens of microseconds: about one training step of a small net
}  // namespace

void Barrier::wait() {
  if (members_ == 1) return;
  const uint32_t round = round_.load(std::memory_order_acquire);
  if (arrived_.fetch_add(1, std::memory_order_acq_rel) == members_ - 1) {
    arrived_.store(0, std::memory_order_relaxed);
    round_.store(round + 1, std::memory_order_release);
    round_.notify_all();
    return;
  }
  for (int i = 0; i < kSpins; ++i) {
    if (round_.load(std::memory_order_acquire) != round) return;
    pause();
  }
  while (round_.load(std::memory_order_acquire) == round) round_.wait(round);
}

Team::Team(int members) : members_(members), barrier_(members), parts_(members), process_(getpid()) {
  for (int i = 1; i < members_; ++i) threads_.emplace_back([this, i] { work(i); });
}

std::shared_ptr<Team> Team::of(int members) {
  static std::mutex guard;
  static auto* teams = new std::map<int, std::weak_ptr<Team>>;  // outlives every plan
  std::lock_guard lock(guard);
  std::shared_ptr<Team> team = (*teams)[members].lock();
  if (team && team->elsewhere()) {
    new std::shared_ptr<Team>(team);  // its threads are not here to be stopped: let it be
    team = nullptr;
  }
  if (!team) (*teams)[members] = team = std::make_shared<Team>(members);
  return team;
}

bool Team::elsewhere() const { return process_ != getpid(); }

Team::~Team() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  start_.notify_all();
  for (std::thread& t : threads_) t.join();
}

void Team::work(int member) {
  uint64_t seen = 0;
  for (;;) {
    const std::function<void(int)>* job;
    {
      std::unique_lock lock(mutex_);
      start_.wait(lock, [&] { return stop_ || round_ != seen; });
      if (stop_) return;
      seen = round_;
      job = job_;
    }
    (*job)(member);
    {
      std::lock_guard lock(mutex_);
      if (--running_ == 0) done_.notify_one();
    }
  }
}

void Team::run(const std::function<void(int)>& job) {
  std::lock_guard one(one_job_);
  std::vector<std::exception_ptr> errors(members_);
  const std::function<void(int)> guarded = [&](int member) {
    try {
      FlushDenormals flush;
      job(member);
    } catch (...) {
      errors[member] = std::current_exception();
    }
  };
  if (members_ > 1) {
    std::lock_guard lock(mutex_);
    job_ = &guarded;
    running_ = members_ - 1;
    ++round_;
    start_.notify_all();
  }
  guarded(0);
  if (members_ > 1) {
    std::unique_lock lock(mutex_);
    done_.wait(lock, [&] { return running_ == 0; });
  }
  for (const std::exception_ptr& e : errors)
    if (e) std::rethrow_exception(e);
}

double Team::sum(int member, double part) {
  parts_[member] = part;
  meet();
  double total = 0;
  for (double p : parts_) total += p;
  meet();  // nobody writes the next part before all have read this one
  return total;
}

namespace {
int default_threads() {
  if (const char* text = std::getenv("ELMAN_THREADS"); text && *text) {
    char* end = nullptr;
    const long n = std::strtol(text, &end, 10);
    if (*end || n < 1 || n > 1024)
      throw std::invalid_argument(
          "ELMAN_THREADS expected a whole number from 1 to 1024, got '" + std::string(text) +
          "'. Unset it to use the cores this process may use.");
    return (int)n;
  }
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set) > 0 ? CPU_COUNT(&set) : 1;
  const unsigned n = std::thread::hardware_concurrency();
  return n ? (int)n : 1;
}
std::atomic<int> threads_chosen{0};
}  // namespace

int thread_count() {
  int n = threads_chosen.load();
  if (!n) threads_chosen.store(n = default_threads());
  return n;
}

void set_thread_count(int count) {
  if (count < 1 || count > 1024)
    throw std::invalid_argument("set_threads expected a whole number from 1 to 1024, got " +
                                std::to_string(count) + ".");
  threads_chosen.store(count);
}

#if defined(__x86_64__) || defined(__i386__)
FlushDenormals::FlushDenormals() : before_(_mm_getcsr()) { _mm_setcsr((unsigned)before_ | 0x8040); }
FlushDenormals::~FlushDenormals() { _mm_setcsr((unsigned)before_); }
#elif defined(__aarch64__)
FlushDenormals::FlushDenormals() {
  asm volatile("mrs %0, fpcr" : "=r"(before_));
  asm volatile("msr fpcr, %0" ::"r"(before_ | (1ull << 24)));
}
FlushDenormals::~FlushDenormals() { asm volatile("msr fpcr, %0" ::"r"(before_)); }
#else
FlushDenormals::FlushDenormals() : before_(0) {}
FlushDenormals::~FlushDenormals() {}
#endif

}  // namespace elman
