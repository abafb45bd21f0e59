// SPDX-License-Identifier: Apache-2.0
// A driver that says its version and has nothing else.
extern "C" int cuDriverGetVersion(int *version) {
  *version = SINTER_TEST_DRIVER_VERSION;
  return 0;
}
