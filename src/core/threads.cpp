#include "threads.h"

#ifdef __linux__
#include <sched.h>
#endif
#include <unistd.h>

#include <cstdlib>
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
}  // namespace

bool Team::waited(uint32_t all, int spins) const {
  for (int i = 0; i < spins; ++i) {
    if (finished_.load() >= all) return true;
    pause();
  }
  return false;
}

void Team::sleep(uint32_t all) const {
  for (uint32_t now = finished_.load(); now < all; now = finished_.load()) finished_.wait(now);
}

std::shared_ptr<Team> Team::of(int members) {
  static std::mutex guard;
  static auto* teams = new std::map<int, std::weak_ptr<Team>>;  // outlives every plan
  std::lock_guard lock(guard);
  std::shared_ptr<Team> team = (*teams)[members].lock();
  if (team && !team->elsewhere()) return team;
  team = std::shared_ptr<Team>(new Team(members), [](Team* t) {
    if (!t->elsewhere()) delete t;  // in a forked child its threads are not there to be stopped
  });
  (*teams)[members] = team;
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

Team::Team(int members)
    : members_(members), claims_(std::make_unique<Claim[]>(members)), process_(getpid()) {
  for (int i = 1; i < members_; ++i) threads_.emplace_back([this, i] { work(i); });
}

void Team::work(int member) {
  uint64_t seen = 0;
  const auto waiting = [&] {
    const uint64_t round = round_.load();
    return round == seen || round % 2 == 0;
  };
  for (;;) {
    for (int i = 0; i < kLookout && waiting(); ++i) pause();
    std::unique_lock lock = hold();
    start_.wait(lock, [&] { return stop_ || !waiting(); });
    if (stop_) return;
    seen = round_.load();
    const auto* job = job_;
    ++inside_;
    lock.unlock();
    {
      FlushDenormals flush;
      Member me(*this, member);
      (*job)(me);
    }
    lock = hold();
    if (--inside_ == 0) left_.notify_one();
  }
}

/// It is always held for moments: whoever slept meanwhile would come back much later.
std::unique_lock<std::mutex> Team::hold() {
  std::unique_lock lock(mutex_, std::defer_lock);
  for (int i = 0; i < kPatience && !lock.owns_lock(); ++i)
    if (!lock.try_lock()) pause();
  if (!lock.owns_lock()) lock.lock();
  return lock;
}

void Team::run(const std::function<void(Member&)>& job) {
  const std::lock_guard one(one_job_);
  if (members_ > 1) {
    const std::unique_lock lock = hold();
    for (int i = 0; i < members_; ++i) claims_[i].phases.store(0);
    finished_.store(0);
    job_ = &job;
    ++round_;
  }
  start_.notify_all();
  {
    FlushDenormals flush;
    Member me(*this, 0);
    job(me);
  }
  if (members_ == 1) return;
  // All phases are done. Whoever has not woken up yet need not; whoever is inside leaves first.
  std::unique_lock lock = hold();
  ++round_;
  lock.unlock();
  for (int i = 0; i < kAttention && inside_.load() > 0; ++i) pause();
  lock = hold();
  left_.wait(lock, [&] { return inside_.load() == 0; });
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
#ifdef __linux__
  cpu_set_t set;  // the cores this process may use can be fewer than the machine has
  if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set) > 0 ? CPU_COUNT(&set) : 1;
#endif
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
