# SPDX-License-Identifier: Apache-2.0
# cmake -DFILES=a;b -DVERSION=1.2.3 -DOUTPUT=f.cpp -P Fingerprint.cmake: a hash of the sources that turn kernels into machine
# code. Objects cached by another state of them are not used.
set(all "${VERSION}")
foreach(file IN LISTS FILES)
  file(SHA256 ${file} hash)
  string(APPEND all " ${hash}")
endforeach()
string(SHA256 hash "${all}")
file(CONFIGURE OUTPUT ${OUTPUT} CONTENT [[
// SPDX-License-Identifier: Apache-2.0
namespace sinter::cpu {
const char *codegenFingerprint();
const char *codegenFingerprint() { return "@VERSION@ @hash@"; }
} // namespace sinter::cpu
]] @ONLY)
