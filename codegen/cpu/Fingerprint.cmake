# SPDX-License-Identifier: Apache-2.0
# cmake -DFILES=a;b -DVERSION=1.2.3 -DFUNCTION=f -DOUTPUT=f.cpp -P Fingerprint.cmake: a function that returns a hash of
# sources. What is in the cache was made by another state of them, and not used, when its hash is another.
set(all "${VERSION}")
foreach(file IN LISTS FILES)
  file(SHA256 ${file} hash)
  string(APPEND all " ${hash}")
endforeach()
string(SHA256 hash "${all}")
file(CONFIGURE OUTPUT ${OUTPUT} CONTENT [[
// SPDX-License-Identifier: Apache-2.0
namespace sinter::cpu {
const char *@FUNCTION@();
const char *@FUNCTION@() { return "@VERSION@ @hash@"; }
} // namespace sinter::cpu
]] @ONLY)
