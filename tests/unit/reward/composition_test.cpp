// SPDX-License-Identifier: MIT
#include <rlvr/reward/combinators.hpp>
#include <rlvr/reward/combinators_arithmetic.hpp>
#include <rlvr/reward/combinators_choice.hpp>
#include <rlvr/reward/group_rewards.hpp>
#include <rlvr/reward/process.hpp>

#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <support/catch.hpp>
#include <utility>
#include <vector>

using namespace rlvr::reward;
using Catch::Matchers::Contains;

namespace {

// The tests of arithmetic use one type for all components: what a component says is what it was made of.
using component = named_reward<std::function<outcome(int)>>;
component says(outcome result, std::string name = {}) {
  return named(std::move(name), std::function<outcome(int)>([result](int) { return result; }));
}
component worth(double value, std::string name = {}) { return says(outcome::of(value), std::move(name)); }
component fails() {
  return named("io", std::function<outcome(int)>([](int) -> outcome { throw std::runtime_error("disk on fire"); }));
}
component inapplicable() { return says(outcome::none("not mine")); }
component overdue() { return says(outcome::late("took 2 s"), "slow"); }

// The sample is the value.
struct itself {
  static constexpr std::string_view name = "itself";
  std::optional<double> operator()(int sample) const {
    return sample < 0 ? std::nullopt : std::optional<double>(sample);
  }
};

template <class Reward>
std::vector<double> group_values(Reward const& reward, std::vector<int> const& samples) {
  std::vector<outcome> outcomes(samples.size());
  evaluate_group(reward, std::span<int const>(samples), std::span<outcome>(outcomes));
  std::vector<double> values;
  for (outcome const& each : outcomes) values.push_back(each.has_value() ? each.value : -1000);
  return values;
}

}  // namespace

TEST_CASE("product, minimum and maximum", "[threads]") {
  outcome const six = product(worth(2, "two"), worth(3), inapplicable())(0);
  CHECK(six.value == 6);
  CHECK(six.passed);
  CHECK(six.parts == std::vector<outcome_part>{{"two", 2}, {"factor2", 3}});
  CHECK(product(worth(2), worth(0))(0).value == 0);
  CHECK_FALSE(product(worth(2), worth(0))(0).passed);
  CHECK(product(worth(1e300), worth(1e300))(0).status == outcome_status::error);
  CHECK(product(says(outcome::of(1, true)), says(outcome::of(1, true, reward_class::partial)))(0).kind ==
        reward_class::partial);

  auto const low = says(outcome::of(-1, false, reward_class::wrong_label, "no such thing"), "low");
  outcome const least = minimum(worth(2), low, worth(-1, "equal"))(0);
  CHECK(least.value == -1);
  CHECK(least.kind == reward_class::wrong_label);
  CHECK(least.diagnosis == "low: no such thing");
  CHECK_FALSE(least.passed);
  CHECK(least.parts.size() == 3);
  outcome const greatest = maximum(inapplicable(), low, worth(2, "high"))(0);
  CHECK(greatest.value == 2);
  CHECK(greatest.diagnosis == "high");
  CHECK(greatest.passed);
  CHECK(maximum(worth(-5), worth(-3))(0).value == -3);
  CHECK(minimum(worth(5), worth(3))(0).value == 3);

  auto const everywhere = [](auto const& make) {
    CHECK(make(worth(1), inapplicable(), worth(1)).has_value());
    CHECK(make(inapplicable(), inapplicable(), inapplicable()).status == outcome_status::not_applicable);
    CHECK(make(worth(1), overdue(), worth(1)).status == outcome_status::timed_out);
    CHECK(make(overdue(), fails(), worth(1)).status == outcome_status::error);
    CHECK(make(overdue(), fails(), worth(1)).diagnosis == "io: disk on fire");
  };
  everywhere([](auto... each) { return product(each...)(0); });
  everywhere([](auto... each) { return minimum(each...)(0); });
  everywhere([](auto... each) { return maximum(each...)(0); });
}

TEST_CASE("threshold, normalised and table", "[threads]") {
  CHECK(threshold(itself{}, 5)(5).value == 1);
  CHECK(threshold(itself{}, 5)(5).passed);
  CHECK(threshold(itself{}, 5)(4).value == 0);
  CHECK_FALSE(threshold(itself{}, 5)(4).passed);
  CHECK(threshold(itself{}, 5)(-1).status == outcome_status::not_applicable);
  CHECK(reward_name(threshold(itself{}, 5)) == "itself");
  CHECK_THROWS_AS(threshold(itself{}, std::nan("")), rlvr::argument_error);
  CHECK(only_if(threshold(itself{}, 5), worth(7))(6).value == 7);

  CHECK(normalised(itself{}, 2, 6)(3).value == 0.25);
  CHECK(normalised(itself{}, 2, 6)(0).value == 0);
  CHECK(normalised(itself{}, 2, 6)(9).value == 1);
  CHECK_THROWS_AS(normalised(itself{}, 2, 2), rlvr::argument_error);
  CHECK_THROWS_AS(normalised(itself{}, 0, std::numeric_limits<double>::infinity()), rlvr::argument_error);

  std::vector<class_value> const values{{reward_class::correct, 2}, {reward_class::bad_format, -3}};
  CHECK(table(says(outcome::of(1, true, reward_class::correct)), values)(0).value == 2);
  CHECK(table(says(outcome::of(1, true, reward_class::bad_format)), values)(0).value == -3);
  CHECK(table(says(outcome::of(1, true, reward_class::partial)), values)(0).value == 1);
  CHECK(table(fails(), values)(0).status == outcome_status::error);
  CHECK_THROWS_WITH(table(worth(1), {{reward_class::timed_out, 0}}), Contains("timed_out has no value"));
  CHECK_THROWS_WITH(table(worth(1), {{reward_class::correct, 0}, {reward_class::correct, 1}}), Contains("twice"));
  CHECK_THROWS_AS(table(worth(1), {{reward_class::correct, std::nan("")}}), rlvr::argument_error);
}

TEST_CASE("either takes what applies, fallback what has a value", "[threads]") {
  outcome const second = either(inapplicable(), worth(2, "two"), fails())(0);
  CHECK(second.value == 2);
  CHECK(second.diagnosis == "two");
  CHECK(second.parts == std::vector<outcome_part>{{"two", 2}});
  CHECK(either(inapplicable(), fails(), worth(2))(0).status == outcome_status::error);
  CHECK(either(inapplicable(), overdue(), worth(2))(0).status == outcome_status::timed_out);
  CHECK(either(inapplicable(), inapplicable())(0).status == outcome_status::not_applicable);

  outcome const third = fallback(fails(), overdue(), worth(2, "two"), worth(3))(0);
  CHECK(third.value == 2);
  CHECK(third.diagnosis == "io: disk on fire; slow: took 2 s; two");
  CHECK(*find_part(third, "fallback") == 2);
  CHECK(*find_part(fallback(worth(1), worth(2))(0), "fallback") == 0);
  CHECK(fallback(inapplicable(), fails())(0).status == outcome_status::error);
  CHECK(fallback(fails(), inapplicable())(0).status == outcome_status::error);
}

TEST_CASE("rewards of a group compose with rewards of a sample", "[threads]") {
  CHECK(group_values(for_group(itself{}), {3, -1, 5}) == std::vector<double>{3, -1000, 5});
  CHECK(group_values(rank_in_group(itself{}), {5, 3, 5, 9, 1}) == std::vector<double>{0.625, 0.25, 0.625, 1, 0});
  CHECK(group_values(rank_in_group(itself{}), {5, -1, 3}) == std::vector<double>{1, -1000, 0});
  CHECK(group_values(rank_in_group(itself{}), {5, -1}) == std::vector<double>{-1000, -1000});
  CHECK(group_values(leave_one_out(itself{}), {1, 2, 6}) == std::vector<double>{-3, -1.5, 4.5});
  CHECK(group_values(leave_one_out(itself{}), {4}) == std::vector<double>{-1000});

  auto const distance = mean_distance([](int a, int b) { return std::abs(a - b); });
  CHECK(group_values(distance, {0, 2, 6}) == std::vector<double>{4, 3, 5});
  CHECK(group_values(distance, {1}) == std::vector<double>{-1000});
  auto const distinct = [](std::span<int const> samples) {
    return std::set<int>(samples.begin(), samples.end()).size();
  };
  CHECK(group_values(marginal(distinct), {4, 4, 7, 8}) == std::vector<double>{0, 0, 1, 1});
  CHECK(group_values(marginal(distinct), {4}) == std::vector<double>{1});

  // A sum of both kinds is a group reward, and only that.
  auto const mixed = sum(term{1.0, itself{}}, term{0.5, distance}, term{10.0, rank_in_group(itself{}), "rank"});
  static_assert(group_reward<decltype(mixed), int>);
  static_assert(!sample_reward<decltype(mixed), int>);
  CHECK(group_values(mixed, {0, 2, 6}) == std::vector<double>{2, 8.5, 18.5});
  CHECK(group_values(scale(named("m", mixed), 2, 1), {0, 2, 6}) == std::vector<double>{5, 18, 38});
  std::vector<int> const batch{0, 2, 6, 6, 2, 0};
  std::vector<outcome> const outcomes = score_groups(std::span<int const>(batch), 3, mixed, {.threads = 2});
  CHECK(outcomes[5].value == 2);
  CHECK(outcomes[3].parts ==
        std::vector<outcome_part>{{"itself", 6}, {"diversity", 5}, {"rank", 1}, {"rank/before", 6}});
  // One broken term costs the group, and one broken response itself only where the term is a sample's.
  auto const broken = sum(term{1.0, itself{}}, term{1.0, [](std::span<int const>, std::span<outcome>) { throw 1; }});
  CHECK(group_values(broken, {1, 2}) == std::vector<double>{-1000, -1000});
  auto const touchy = [](int sample) { return sample == 2 ? throw std::runtime_error("two") : sample; };
  CHECK(group_values(sum(term{1.0, touchy}, term{1.0, distance}), {1, 2}) == std::vector<double>{2, -1000});
  // A group reward may not smuggle in what is no number.
  auto const forged = [](std::span<int const>, std::span<outcome> all) {
    all[0] = outcome{.status = outcome_status::value, .value = std::nan("")};
  };
  std::vector<outcome> one(1);
  evaluate_group(forged, std::span<int const>(batch).first(1), std::span<outcome>(one));
  CHECK(one[0].status == outcome_status::error);
}

TEST_CASE("the deadline reaches every component", "[threads]") {
  static std::int64_t clock = 0;
  call_context const context{.now = [] { return clock; }, .deadline = 100};
  auto const asks = [](int, call_context const& inside) { return inside.seconds_left() * 1e9; };
  auto const check = [&](auto const& reward) {
    clock = 40;
    CHECK(evaluate(reward, 0, context).value == Approx(60));
    CHECK(std::isinf(call_context{}.seconds_left()));
  };
  check(asks);
  check(named("x", asks));
  check(sum(term{1.0, asks}));
  check(stages(asks));
  check(only_if([](int) { return true; }, asks));
  check(scale(asks, 1));
  check(product(asks));
  check(maximum(asks));
  check(either(asks));
  check(fallback(asks));
  check(table(asks, {}));
  std::vector<int> const one{0};
  std::vector<outcome> outcomes(1);
  evaluate_group(sum(term{1.0, for_group(asks)}), std::span<int const>(one), std::span<outcome>(outcomes), context);
  CHECK(outcomes[0].value == Approx(60));
  CHECK_FALSE(context.stop_requested());
  clock = 100;
  CHECK(context.stop_requested());
  CHECK(context.seconds_left() == 0);
  CHECK_FALSE(call_context{}.stop_requested());
}
