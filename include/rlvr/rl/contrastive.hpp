// SPDX-License-Identifier: MIT
/// @file
/// Losses on embeddings: same label close, other labels far.  With z_i the unit vector of embedding i, s_ij = z_i .
/// z_j, P_i the other rows with the label of i, t = temperature and
///
///   l_ij = log( e^(s_ij / t) / sum over a != i of e^(s_ia / t) )
///
///   supervised_contrastive     L_i = -1 / |P_i| sum over P_i of l_ip     Khosla et al. 2020 (2004.11362), eq. 2
///   multi_centre_contrastive   L_i = -sum over P_i of w_ip l_ip,         w = softmax over P_i of s_ip / t2, held
///   constant summed_contrastive         L_i = -log sum over P_i of e^(l_ip)       Khosla et al. 2020, eq. 3, without
///   its 1 / |P_i| matching_the_blanks        -(y ls(u . v) + (1 - y) ls(-u . v))       Baldini Soares et al. 2019
///   (1906.03158), sec. 4.2
///
/// The first pulls every positive, so a label is one cluster; the next two accept several clusters per label, the idea
/// of MCCL (2212.10823; its formulas were not available, these are ours).  t2 -> infinity gives the first, t2 -> 0 only
/// the nearest positive.  The loss of a batch is the mean over the rows with a positive; without one it is 0.
///
/// Derivatives, by the raw embeddings, are exact: dL_i / ds_ij = (q_ij - target_ij) / t with q_i the softmax over the
/// others and target_i = 1 / |P_i|, w_i, or the softmax over P_i; then through the normalisation,
/// dL / de = (I - z z^T) dL / dz / |e|.  A zero vector stays zero and has gradient 0.  Arithmetic is in double.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/core/math.hpp>

#include <cmath>
#include <concepts>
#include <cstddef>
#include <span>
#include <type_traits>
#include <vector>

RLVR_NAMESPACE_BEGIN

/// What a contrastive loss wants of an anchor: the share of each positive, given their similarities; shares sum to 1.
/// `of_positives` returns their part of the log-likelihood; its derivative by a similarity is share / temperature.
template <class Loss>
concept contrastive_loss = std::is_trivially_copyable_v<Loss> &&
    requires(Loss const& loss, std::span<double const> similarities, std::span<double> shares) {
  { loss.temperature } -> std::convertible_to<double>;
  { loss.of_positives(similarities, shares) } -> std::same_as<double>;
};

namespace detail {

/// Softmax of x / temperature into `shares`; returns log sum e^(x / temperature).  x must not be empty.
inline double tempered_softmax(std::span<double const> x, double temperature, std::span<double> shares) {
  double top = x[0];
  for (double const value : x) top = math::max(top, value);
  double sum = 0;
  for (std::size_t i = 0; i < x.size(); ++i) sum += shares[i] = std::exp((x[i] - top) / temperature);
  for (double& share : shares) share /= sum;
  return top / temperature + std::log(sum);
}

/// sum of share * x / temperature.
inline double weighted_score(std::span<double const> x, std::span<double const> shares, double temperature) {
  double sum = 0;
  for (std::size_t i = 0; i < x.size(); ++i) sum += shares[i] * x[i];
  return sum / temperature;
}

}  // namespace detail

/// Every positive counts the same.
struct supervised_contrastive {
  double temperature = 0.1;

  /// The positives' part of the log-likelihood; `shares` receives the weight of each.
  [[nodiscard]] double of_positives(std::span<double const> similarities, std::span<double> shares) const {
    for (double& share : shares) share = 1 / static_cast<double>(shares.size());
    return detail::weighted_score(similarities, shares, temperature);
  }
};

/// Near positives count more; their weights are constants of the derivative.
struct multi_centre_contrastive {
  double temperature = 0.1;
  double centre_temperature = 0.1;  ///< t2

  /// As above.
  [[nodiscard]] double of_positives(std::span<double const> similarities, std::span<double> shares) const {
    (void)detail::tempered_softmax(similarities, centre_temperature, shares);
    return detail::weighted_score(similarities, shares, temperature);
  }
};

/// One near positive is enough.
struct summed_contrastive {
  double temperature = 0.1;

  /// As above.
  [[nodiscard]] double of_positives(std::span<double const> similarities, std::span<double> shares) const {
    return detail::tempered_softmax(similarities, temperature, shares);
  }
};

static_assert(contrastive_loss<supervised_contrastive> && contrastive_loss<multi_centre_contrastive>);
static_assert(contrastive_loss<summed_contrastive>);

namespace detail {

/// Rows scaled to length 1, and their lengths.
struct unit_rows {
  std::vector<double> values;
  std::vector<double> norms;
};

template <std::floating_point T>
[[nodiscard]] unit_rows normalise_rows(std::span<T const> embeddings, std::size_t rows, std::size_t width) {
  unit_rows result{std::vector<double>(embeddings.begin(), embeddings.end()), std::vector<double>(rows)};
  for (std::size_t i = 0; i < rows; ++i) {
    std::span<double> const row(result.values.data() + i * width, width);
    double largest = 0, sum = 0;
    for (double const x : row) largest = math::max(largest, std::abs(x));
    if (largest == 0) continue;
    for (double& x : row) sum += (x / largest) * (x / largest);
    result.norms[i] = largest * std::sqrt(sum);
    for (double& x : row) x /= result.norms[i];
  }
  return result;
}

}  // namespace detail

/// Mean loss of a batch of embeddings, and its gradient.
/// @param embeddings  labels.size() rows of equal width, row-major; not normalised
/// @param gradient    receives d loss / d embeddings
/// @throws shape_error, argument_error for a temperature that is not positive
template <class Loss, std::floating_point T, std::integral Label>
requires contrastive_loss<Loss>
[[nodiscard]] double contrastive_batch_loss(Loss const& loss, std::span<T const> embeddings,
                                            std::span<Label const> labels, std::span<T> gradient) {
  std::size_t const rows = labels.size();
  if (embeddings.size() != gradient.size() || (rows == 0 ? !embeddings.empty() : embeddings.size() % rows != 0))
    throw shape_error("contrastive loss: " + text_of(embeddings.size()) + " numbers are not " + text_of(rows) +
                      " rows, or the gradient has another size");
  if (!(loss.temperature > 0)) throw argument_error("contrastive loss: the temperature must be positive");
  for (T& value : gradient) value = T(0);
  if (rows < 2) return 0;
  std::size_t const width = embeddings.size() / rows;
  detail::unit_rows const unit = detail::normalise_rows(embeddings, rows, width);
  auto const z = [&](std::size_t i) { return std::span<double const>(unit.values.data() + i * width, width); };

  std::vector<double> d_unit(unit.values.size()), others(rows - 1), all(rows - 1), positive, share;
  double sum = 0;
  std::size_t anchors = 0;
  for (std::size_t i = 0; i < rows; ++i) {
    positive.clear();
    for (std::size_t j = 0, k = 0; j < rows; ++j) {
      if (j == i) continue;
      double dot = 0;
      for (std::size_t c = 0; c < width; ++c) dot += z(i)[c] * z(j)[c];
      others[k++] = dot;
      if (labels[j] == labels[i]) positive.push_back(dot);
    }
    if (positive.empty()) continue;
    ++anchors;
    share.assign(positive.size(), 0.0);
    sum += detail::tempered_softmax(others, loss.temperature, all) - loss.of_positives(positive, share);
    for (std::size_t j = 0, k = 0, p = 0; j < rows; ++j) {
      if (j == i) continue;
      double const target = labels[j] == labels[i] ? share[p++] : 0;
      double const slope = (all[k++] - target) / loss.temperature;
      for (std::size_t c = 0; c < width; ++c) {
        d_unit[i * width + c] += slope * z(j)[c];
        d_unit[j * width + c] += slope * z(i)[c];
      }
    }
  }
  if (anchors == 0) return 0;
  double const scale = 1 / static_cast<double>(anchors);
  for (std::size_t i = 0; i < rows; ++i) {
    if (unit.norms[i] == 0) continue;
    double along = 0;
    for (std::size_t c = 0; c < width; ++c) along += d_unit[i * width + c] * z(i)[c];
    for (std::size_t c = 0; c < width; ++c)
      gradient[i * width + c] = static_cast<T>(scale * (d_unit[i * width + c] - along * z(i)[c]) / unit.norms[i]);
  }
  return scale * sum;
}

/// Binary cross-entropy of "both sentences are about the same pair of entities" with logit u . v, mean over the pairs.
/// Row k of `first` and of `second` are the relation embeddings u and v of pair k; they are not normalised.
/// The gradient is exact; no pairs: 0.  @throws shape_error
template <std::floating_point T>
[[nodiscard]] double matching_the_blanks(std::span<T const> first, std::span<T const> second,
                                         std::span<bool const> same, std::span<T> d_first, std::span<T> d_second) {
  std::size_t const pairs = same.size();
  if (first.size() != second.size() || first.size() != d_first.size() || first.size() != d_second.size() ||
      (pairs == 0 ? !first.empty() : first.size() % pairs != 0))
    throw shape_error("matching_the_blanks: expected two equal sets of " + text_of(pairs) +
                      " rows, and gradients of their size");
  if (pairs == 0) return 0;
  std::size_t const width = first.size() / pairs;
  double const scale = 1 / static_cast<double>(pairs);
  double sum = 0;
  for (std::size_t k = 0; k < pairs; ++k) {
    double logit = 0;
    for (std::size_t c = k * width; c < (k + 1) * width; ++c)
      logit += static_cast<double>(first[c]) * static_cast<double>(second[c]);
    sum -= math::log_sigmoid(same[k] ? logit : -logit);
    double const slope = scale * (same[k] ? -math::sigmoid(-logit) : math::sigmoid(logit));
    for (std::size_t c = k * width; c < (k + 1) * width; ++c) {
      d_first[c] = static_cast<T>(slope * static_cast<double>(second[c]));
      d_second[c] = static_cast<T>(slope * static_cast<double>(first[c]));
    }
  }
  return scale * sum;
}

RLVR_NAMESPACE_END
