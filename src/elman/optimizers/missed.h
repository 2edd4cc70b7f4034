// The steps in which a row of a table had no gradient, many at once.
//
// Such a row still moves. With w, m and s as they were when the row was last up to date, and k
// counting the steps that it missed since,
//
//   w = (1 - decay_k) w - change_k push^k m / (root^k s + epsilon)
//
// For Adam push is beta_1, root that of beta_2, s the root of the mean square and change_k the
// corrected rate. Momentum alone has no divisor: there m is multiplied by a sum.
//
// The divisor is expanded around c, the middle of what root^k goes through in up to `longest` steps:
//
//   1 / (r s + epsilon) = d (1 - (r - c) x + ((r - c) x)^2 - ...),   d = 1 / (c s + epsilon), x = d s
//
// Since x <= 1/c and |r - c| <= c / 10 for every s and epsilon, the first of eight terms left out is
// at most 10^-8 of the whole, whichever of the two rules the divisor. Per weight there remain a root,
// a division and a polynomial in x, however many steps were missed. Its coefficients,
//
//   sum_j = (-1)^j  sum over k of change_k push^k (root^k - c)^j,
//
// are the same for all rows that missed the same steps: worked out once, in double precision.
#pragma once

#include <array>
#include <vector>

#include "kernels/arguments.h"

namespace elman {

class MissedSteps {
 public:
  /// push, root: as above; push 0 if nothing but decay moves a weight, decay 0 if that neither.
  /// fade: what a step leaves of each moment.
  MissedSteps(double push, double root, bool decays, std::array<double, 3> fade);

  /// Every part of a step works out what it needs by itself.
  void prepare(int parts);
  /// A step was taken: by `change` times what pushes, and with w losing the fraction `decay`.
  void took(double change, double decay);
  /// What the steps from `from` to now amount to; valid until the next call for this part.
  Missed since(long from, int part);
  /// No row lacks a step before `step`, which is now: what is known of those is dropped.
  void forget(long step);
  /// Steps since then.
  long known() const { return now_ - first_; }
  /// What `steps` steps leave of a moment.
  float fade(int moment, long steps) const {
    const std::vector<float>& f = fades_[moment];
    return f[steps < (long)f.size() ? steps : (long)f.size() - 1];
  }
  /// [steps missed] of the first moment; what is beyond its end is like the last.
  const std::vector<float>& fades() const { return fades_[0]; }

 private:
  /// The sums over k of change_k push^k root^(k j), and what is left of w.
  struct Sums {
    std::array<double, kMissedTerms> raw{};
    double kept = 1;
  };
  struct Closed {
    MissedRun run;
    double kept = -1;  // of w; -1: not worked out
  };
  struct Part {
    long now = -1;
    Sums sums;                   // of as many of the last steps as `recent` has
    std::vector<Closed> recent;  // [steps missed - 1], fewer than `longest_`, until now
    std::vector<Closed> full;    // [first step] of `longest_` each
    std::vector<MissedRun> found;
    std::vector<double> kept;    // by each of them
  };
  /// One step earlier.
  void extend(Sums& sums, long step) const;
  Closed close(const Sums& sums) const;
  const Closed& recent(Part& part, long steps) const;
  const Closed& full(Part& part, long from) const;

  bool decays_;
  double centre_;
  std::array<double, kMissedTerms> push_;  // push root^j
  std::array<std::array<double, kMissedTerms>, kMissedTerms> around_{};  // (r - c)^j by powers of r
  long longest_;      // steps of one expansion
  long moving_ = 0;   // steps after which what still pushes is nothing
  std::array<double, 3> fade_, faded_{1, 1, 1};
  std::vector<float> fades_[3];
  long first_ = 0, now_ = 0;
  std::vector<double> change_, decay_;  // of the steps since `first_`
  std::vector<Part> parts_;
};

}  // namespace elman
