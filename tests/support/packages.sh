# SPDX-License-Identifier: MIT
# Sourced by the run scripts: installs the Debian or Ubuntu packages that are missing, and does nothing, without
# network, when none is.

packages_to_build="g++ cmake ninja-build"
packages_of_library="libeigen3-dev libfmt-dev librange-v3-dev nlohmann-json3-dev libpcre2-dev"
packages_of_example="libcli11-dev"
packages_of_tests="catch2 pybind11-dev python3-dev"

# need_packages <package>...
need_packages() {
  if [ "${RLVR_SKIP_PACKAGES:-}" = 1 ]; then return 0; fi
  local missing="" package
  for package in "$@"; do
    if ! dpkg-query -W -f='${db:Status-Abbrev}' "$package" 2>/dev/null | grep -q '^.i'; then
      missing="$missing $package"
    fi
  done
  if [ -z "$missing" ]; then return 0; fi
  if ! command -v apt-get >/dev/null; then
    echo "There is no apt-get here. Install what these Debian packages hold, then run again with" >&2
    echo "RLVR_SKIP_PACKAGES=1:$missing" >&2
    return 1
  fi
  local as_root=""
  if [ "$(id -u)" != 0 ]; then
    if ! command -v sudo >/dev/null; then
      echo "As root, install these packages first: apt-get install$missing" >&2
      return 1
    fi
    as_root="sudo"
  fi
  echo "installing:$missing"
  # shellcheck disable=SC2086  # lists of words
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq update </dev/null &&
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends $missing </dev/null >&2
}

# How many compilers may run at once: one per processor, if each can have 1.2 GB of memory.
build_jobs() {
  local processors memory
  processors=$(nproc 2>/dev/null || echo 2)
  memory=$(awk '/^MemAvailable:/ { print int($2 / 1200000) }' /proc/meminfo 2>/dev/null || true)
  if [ -n "$memory" ] && [ "$memory" -lt "$processors" ]; then processors=$memory; fi
  if [ "$processors" -lt 1 ]; then processors=1; fi
  echo "$processors"
}
