// SPDX-License-Identifier: MIT
// Files and checkpoints under failing system calls, kills and damaged content.
#include <rlvr/format/checkpoint_folder.hpp>

#include "temporary_folder.hpp"
#include <csignal>
#include <random>
#include <support/catch.hpp>
#include <sys/wait.h>
#include <thread>

using namespace rlvr;
using namespace rlvr::format;

namespace {

/// Makes the n-th call fail, counted over all kinds; writes are cut short and interrupted on the way.
class failing_files final : public file_operations {
 public:
  explicit failing_files(int fail_at) : fail_at_(fail_at) {}

  ::ssize_t write(int file, void const* bytes, std::size_t count) const override {
    if (fails(ENOSPC)) return -1;
    if (!interrupted_) {
      interrupted_ = true;
      errno = EINTR;
      return -1;
    }
    return ::write(file, bytes, (count + 1) / 2);
  }
  int sync(int file) const override { return fails(EIO) ? -1 : ::fsync(file); }
  int rename(char const* from, char const* to) const override { return fails(EIO) ? -1 : std::rename(from, to); }

  bool failed() const { return failed_; }

 private:
  bool fails(int code) const {
    if (++calls_ != fail_at_) return false;
    failed_ = true;
    errno = code;
    return true;
  }

  int fail_at_;
  mutable int calls_ = 0;
  mutable bool interrupted_ = false;
  mutable bool failed_ = false;
};

void save(std::string const& root, std::string const& name, std::string const& content, std::size_t keep = 0,
          file_operations const& operations = system_files) {
  checkpoint_writer writer(root, name, keep, operations);
  writer.write_file("weights", content);
  put(writer.file_path("state"), content + "!");
  writer.commit();
}

}  // namespace

TEST_CASE("CRC-64/XZ of the catalogue's check string, and of parts") {
  CHECK(crc64("123456789") == 0x995DC9BBDF1939FAu);
  CHECK(crc64("") == 0);
  CHECK(crc64("56789", crc64("1234")) == crc64("123456789"));
  CHECK(crc64("0123456789abcdefg", 0) == crc64("g", crc64("0123456789abcdef")));
}

TEST_CASE("a write that fails anywhere leaves the old file whole and nothing beside it") {
  temporary_folder const folder;
  std::string const path = folder / "file";
  std::string const old_content(1000, 'o');
  std::string const new_content(5000, 'n');
  for (int fail_at = 1;; ++fail_at) {
    put(path, old_content);
    failing_files const operations(fail_at);
    try {
      atomic_write(path, new_content, operations);
    } catch (io_error const& reason) {
      CHECK(reason.path().find(folder.string()) == 0);
    }
    CHECK(folder.count() == 1);
    std::string const now = get(path);
    CHECK((now == old_content || now == new_content));
    if (!operations.failed()) {
      CHECK(now == new_content);
      CHECK(fail_at > 5);
      break;
    }
  }
}

TEST_CASE("a full disk gives an io_error that says so") {
  if (!std::filesystem::exists("/dev/full")) return;
  detail::file_descriptor const full(::open("/dev/full", O_WRONLY));
  CHECK(system_files.write(full.get(), "x", 1) == -1);
  CHECK(errno == ENOSPC);
  temporary_folder const folder;
  CHECK_THROWS_WITH(atomic_write(folder / "a", "x", failing_files(1)), Catch::Contains("No space left on device"));
}

TEST_CASE("files are read up to a limit") {
  temporary_folder const folder;
  put(folder / "a", std::string(100, 'a'));
  CHECK(read_file(folder / "a", 100) == std::string(100, 'a'));
  CHECK_THROWS_AS(read_file(folder / "a", 99), format_error);
  CHECK_THROWS_AS(read_file(folder / "b", 99), io_error);
  CHECK_THROWS_AS(read_file(folder.string(), 99), io_error);
}

TEST_CASE("checkpoints are found, verified and pruned") {
  temporary_folder const folder;
  CHECK_FALSE(find_latest_valid(folder.string()));
  for (int step : {8, 9, 10, 11}) save(folder.string(), "step_" + std::to_string(step), std::to_string(step), 3);
  auto const found = find_latest_valid(folder.string());
  REQUIRE(found);
  CHECK(found->name == "step_11");
  CHECK(found->notes.empty());
  CHECK(get(found->path + "/weights") == "11");
  CHECK_FALSE(std::filesystem::exists(folder / "step_8"));
  CHECK(std::filesystem::exists(folder / "step_9"));
  CHECK(get(folder / "latest") == "step_11\n");

  save(folder.string(), "step_9", "nine again");
  CHECK(find_latest_valid(folder.string())->name == "step_9");
  CHECK(get(folder / "step_9/weights") == "nine again");
  CHECK(folder.count() == 4);  // three checkpoints and latest
}

TEST_CASE("a damaged checkpoint is passed over, and the reason is told") {
  temporary_folder const folder;
  save(folder.string(), "step_1", "first");
  save(folder.string(), "step_2", "second");
  auto const fallback = [&](std::string const& expected) {
    auto const found = find_latest_valid(folder.string());
    REQUIRE(found);
    CHECK(found->name == "step_1");
    REQUIRE_FALSE(found->notes.empty());
    CHECK_THAT(found->notes[0], Catch::Contains(expected) && Catch::Contains("step_2"));
  };
  put(folder / "step_2/weights", "secund");
  fallback("checksum");
  put(folder / "step_2/weights", std::string(6, '\0'));
  fallback("checksum");
  put(folder / "step_2/weights", "sec");
  fallback("3 bytes");
  std::filesystem::remove(folder / "step_2/weights");
  fallback("expected the file that the manifest lists");
  put(folder / "step_2/manifest.json", get(folder / "step_2/manifest.json").substr(0, 40));
  fallback("malformed JSON");
  std::filesystem::remove(folder / "step_2/manifest.json");
  fallback("No such file");
  put(folder / "latest", "../elsewhere\n");
  CHECK(find_latest_valid(folder.string())->name == "step_1");
  put(folder / "step_1/weights", "");
  std::vector<std::string> notes;
  CHECK_FALSE(find_latest_valid(folder.string(), &notes));
  CHECK(notes.size() >= 2);
}

TEST_CASE("a failing call anywhere in a commit leaves the earlier checkpoint to be found") {
  for (int fail_at = 1;; ++fail_at) {
    temporary_folder const folder;
    save(folder.string(), "step_1", "first");
    failing_files const operations(fail_at);
    bool committed = true;
    try {
      save(folder.string(), "step_2", "second", 1, operations);
    } catch (io_error const&) {
      committed = false;
    }
    auto const found = find_latest_valid(folder.string());
    REQUIRE(found);
    CHECK(get(found->path + "/weights") == (found->name == "step_1" ? "first" : "second"));
    for (auto const& entry : std::filesystem::directory_iterator(folder.string())) {
      CHECK(entry.path().string().find(".tmp.") == std::string::npos);
    }
    if (!operations.failed()) {
      CHECK(committed);
      CHECK(found->name == "step_2");
      CHECK_FALSE(std::filesystem::exists(folder / "step_1"));
      break;
    }
    CHECK_FALSE(committed);
  }
}

TEST_CASE("a process killed at random moments of a save loop always leaves a whole checkpoint") {
  temporary_folder const folder;
  save(folder.string(), "step_0", "0");
  std::mt19937 random(20240711);
  for (int round = 0; round < 30; ++round) {
    ::pid_t const child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      // Names repeat, so that replacements are interrupted too.
      for (int step = 1;; ++step) {
        save(folder.string(), "step_" + std::to_string(step % 5),
             std::string(20000, static_cast<char>('a' + step % 26)), 3);
      }
    }
    std::this_thread::sleep_for(std::chrono::microseconds(1000 + random() % 30000));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    auto const found = find_latest_valid(folder.string());
    REQUIRE(found);
    std::string const content = get(found->path + "/weights");
    CHECK(content + "!" == get(found->path + "/state"));
  }
  save(folder.string(), "last", "last", 1);
  CHECK(folder.count() == 2);  // what kills left behind is gone
}

TEST_CASE("a kill between the two renames of a replacement loses nothing for the next writer") {
  temporary_folder const folder;
  save(folder.string(), "step_1", "first");
  // No process has a number this high.
  std::filesystem::rename(folder / "step_1", folder / "step_1.old.4999999");
  std::filesystem::create_directory(folder / "step_1.tmp.4999999");
  checkpoint_writer const next(folder.string(), "step_2");
  CHECK(find_latest_valid(folder.string())->name == "step_1");
  CHECK_FALSE(std::filesystem::exists(folder / "step_1.tmp.4999999"));
}

TEST_CASE("names that leave the folder are refused") {
  temporary_folder const folder;
  for (char const* const name : {"", "..", "a/b", "latest", "a.tmp.1"}) {
    CHECK_THROWS_AS(checkpoint_writer(folder.string(), name), argument_error);
  }
  checkpoint_writer writer(folder.string(), "a");
  CHECK_THROWS_AS(writer.write_file("../b", ""), argument_error);
  CHECK_THROWS_AS(writer.write_file("manifest.json", ""), argument_error);
}
