// SPDX-License-Identifier: MIT
// An objective that writes its derivative itself: the clip of PPO.
struct clipped {
  template <class T>
  rlvr::loss_value<T> operator()(rlvr::token_sample<T> const& s) const {
    T const ratio = std::exp(s.log_prob - s.old_log_prob);
    T const bounded = ratio < T(0.8) ? T(0.8) : (ratio > T(1.2) ? T(1.2) : ratio);
    if (-s.advantage * bounded > -s.advantage * ratio)
      return {.value = -s.advantage * bounded};  // the clip holds: a constant
    return {.value = -s.advantage * ratio, .d_log_prob = -s.advantage * ratio};
  }
};
