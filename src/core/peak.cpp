#include "peak.h"

#include <algorithm>
#include <chrono>
#include <vector>

#include "isa/table.h"
#include "threads.h"

namespace elman {

double fma_peak(double seconds) {
  using Clock = std::chrono::steady_clock;
  const auto since = [](Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  const auto team = Team::of(thread_count());
  constexpr int apart = 64;  // floats between two threads' results: no cache line is shared
  std::vector<float> results(team->size() * apart);
  std::vector<long> counts(team->size());
  long rounds = 1000;
  const auto rate = [&](double& took) {
    const auto start = Clock::now();
    team->run([&](Team::Member& member) {
      member.phase([&](int i) {
        counts[i] = kernels().multiply_adds(rounds, results.data() + i * apart);
      });
    });
    took = since(start);
    return (double)counts[0] * team->size() / took;
  };
  // A round of 10 ms: waking the threads up does not count then.
  double took = 0, best = 0;
  const auto start = Clock::now();
  for (; took < 0.01; rounds *= 2) rate(took);
  do best = std::max(best, rate(took));
  while (since(start) < seconds);
  return best;
}

}  // namespace elman
