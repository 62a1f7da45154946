// SPDX-License-Identifier: MIT
/// @file
/// The ready queue, the loop that a fiber runs, and the way out after a failure.
#include "engine/scheduler.hpp"

#include "engine/barrier.hpp"
#include "engine/collectives.hpp"
#include "engine/fiber.hpp"
#include <exception>
#include <string>
#include <utility>

namespace cuda_emulation {

void select_thread(int thread) {
  state.current = thread;
  auto const index = static_cast<unsigned>(thread);
  unsigned const width = state.block.x, height = state.block.y;
  if (height == 1 && state.block.z == 1)
    builtins.thread_index = {index, 0, 0};
  else
    builtins.thread_index = {index % width, index / width % height, index / (width * height)};
}

namespace scheduler {
namespace {

constexpr unsigned queue_capacity = 1024;  // a power of two; a thread stands in the queue at most once

/// A ring.  No standard container: its out-of-line parts could be taken from instrumented object files.
struct ready_queue {
  int threads[queue_capacity];
  unsigned head = 0, size = 0;

  void clear() { head = size = 0; }
  int& at(unsigned position) { return threads[(head + position) % queue_capacity]; }
  void push(int thread) { at(size++) = thread; }
  int pop() {
    int const thread = at(0);
    head = (head + 1) % queue_capacity;
    --size;
    return thread;
  }
};
ready_queue ready;
schedule order = schedule::forward;
std::uint64_t random_state = 1;
void (*running_body)(void*) = nullptr;
void* running_parameters = nullptr;

fiber& fiber_of(int thread) { return state.fibers.data()[thread]; }

/// The next thread to run, -1 if all wait or have ended.
int take_next() {
  if (ready.size == 0) return -1;
  if (order == schedule::shuffled) {
    int& chosen = ready.at(static_cast<unsigned>(random_below(ready.size)));
    int const thread = chosen;
    chosen = ready.at(0);
    ready.at(0) = thread;
  }
  return ready.pop();
}

void execute_body() {
  std::string problem;
  bool thrown = true;
  try {
    state.quiet = false;
    running_body(running_parameters);
    thrown = false;
  } catch (std::exception const& exception) {
    state.quiet = true;
    problem = exception.what();
  } catch (...) {
    state.quiet = true;
    problem = "of a type that is not derived from std::exception";
  }
  state.quiet = true;
  if (!thrown) return;
  problem.insert(0, "exception left the kernel: ");
  fail(std::move(problem));  // moved: what this frame holds is never freed
}

void end_thread() {
  int const thread = state.current;
  fiber_of(thread).state = fiber_state::done;
  --state.live;
  ++state.exited;
  collectives::thread_ended(thread);
  barrier::thread_ended();
}

void fiber_loop() {
  fibers::entered();
  for (;;) {
    execute_body();
    end_thread();
    int const stack = fiber_of(state.current).stack;
    int const next = take_next();
    if (next >= 0 && fiber_of(next).state == fiber_state::fresh) {
      fiber_of(next).stack = stack;
      fiber_of(next).state = fiber_state::ready;
      select_thread(next);
      continue;
    }
    fibers::free_stack(stack);
    if (next < 0) fibers::end_in_host();
    select_thread(next);
    fibers::end_in(fiber_of(next));
  }
}

/// Makes a thread the running one; what is left is to switch to its stack.
fiber& prepare_switch(int thread) {
  fiber& target = fiber_of(thread);
  if (target.state == fiber_state::fresh) fibers::give_stack(target, fiber_loop);
  target.state = fiber_state::ready;
  select_thread(thread);
  return target;
}

}  // namespace

void begin_grid() {
  order = current_settings().order;
  random_state = current_settings().seed * 0x9e3779b97f4a7c15u + 0x1234567u;
  if (random_state == 0) random_state = 1;
}

bool descending() { return order == schedule::reverse; }

std::uint64_t random_below(std::uint64_t bound) {
  random_state ^= random_state << 13;  // xorshift64
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return (random_state >> 11) % bound;
}

void run_threads(thread_body const& body) {
  running_body = body.run;
  running_parameters = body.parameters.get();
  ready.clear();
  for (int position = 0; position < state.thread_count; ++position) {
    int const thread = descending() ? state.thread_count - 1 - position : position;
    fiber_of(thread).state = fiber_state::fresh;
    ready.push(thread);
  }
  fibers::enter(prepare_switch(take_next()));
  state.quiet = false;
}

void wait(fiber_state why, char const* what, char const* file, int line) {
  fiber& self = fiber_of(state.current);
  self.state = why;
  self.what = what;
  self.file = file;
  self.line = line;
  int const next = take_next();
  if (next < 0)
    fibers::return_to_host(self);  // a deadlock: the host reports it and never comes back
  else
    fibers::switch_between(self, prepare_switch(next));
}

void wake(int thread) {
  fiber_of(thread).state = fiber_state::ready;
  ready.push(thread);
}

}  // namespace scheduler

void fail(std::string message) {
  state.quiet = true;
  if (!state.in_kernel || state.current < 0) {
    state.quiet = false;
    throw failure(message);
  }
  message += "\n    at " + running_thread();
  if (state.throw_in_kernel) {
    state.quiet = false;
    throw failure(message);
  }
  if (!state.failed) {
    state.failed = true;
    state.error.swap(message);
  }
  message = std::string();  // this frame is given up: keep nothing in it
  fibers::end_in_host();
}

}  // namespace cuda_emulation
