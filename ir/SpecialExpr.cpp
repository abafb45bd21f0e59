// SPDX-License-Identifier: Apache-2.0
// Special functions of the `scalar` strings, in arithmetic and logarithms. The gamma functions are
// computed in f64 for every dtype: reflected to positive arguments, brought to one interval by
// their recurrence or taken from Stirling's series. erfinv is a polynomial in w = -log(1 - x²) or
// in √w, as Giles has it (Approximating the erfinv function, GPU Computing Gems 2, 2011).
// Polynomials are our own fits (minimax; coefficients rounded one after the other with the rest
// refitted).
#include "sinter/ir/ScalarExpr.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/TypeUtilities.h"
#include "llvm/ADT/STLExtras.h"

#include <cmath>
#include <initializer_list>
#include <numbers>
#include <vector>

using namespace mlir;

namespace sinter::ir::scalar {

static constexpr double pi = std::numbers::pi;

static Expr fma(Expr a, Expr b, Expr c) {
  return a.emit<math::FmaOp>(a.value(), b.value(), c.value());
}

/// Horner's scheme: c[0] + x * (c[1] + x * ...).
static Expr poly(Expr x, std::initializer_list<double> coefficients) {
  const double *next = coefficients.end() - 1;
  Expr sum = x.like(*next);
  while (next != coefficients.begin())
    sum = fma(sum, x, x.like(*--next));
  return sum;
}

// -- erfinv ---------------------------------------------------------------------------------------

// Relative errors: f32 CENTRAL32 and TAIL32, f64 CENTRAL64, MIDDLE64 and TAIL64.
static Expr erfinvOverX(Expr w) {
  Expr root = sqrt(w);
  if (getElementTypeOrSelf(w.value()).isF32()) {
    Expr central = poly(w - 2.5, {0x1.805c5ep+0, 0x1.f91e8ap-3, -0x1.11c8b8p-8, -0x1.486678p-10,
                                  0x1.ca3cap-13, -0x1.4c6844p-18, -0x1.d5d44ap-19, 0x1.f12e1cp-22,
                                  0x1.c0511ep-26, -0x1.24a936p-27});
    Expr tail = poly(root - 3.0, {0x1.6a9efcp+1, 0x1.006dcap+0, 0x1.35813ep-7, -0x1.f4c2ecp-8,
                                  0x1.749036p-8, -0x1.d5906p-9, 0x1.872f54p-10, -0x1.52335ap-14,
                                  -0x1.4b411ap-12, 0x1.0f3642p-13});
    return select(w < 5.0, central, tail);
  }
  Expr central =
      poly(w - 3.125, {0x1.a755e7c99ae86p+0,   0x1.ebd80d9b13df9p-3,  -0x1.8b6c33114ec4ap-8,
                       -0x1.845769483508fp-11, 0x1.879c2a20bf91cp-13, -0x1.d1d1f7ca59548p-17,
                       -0x1.6e8a53d5e6b51p-20, 0x1.c6b4f8932a373p-22, -0x1.f36ceb9c13604p-26,
                       -0x1.1a9eb20297b45p-28, 0x1.20f528b2d47d9p-30, -0x1.dc3ee128b0c28p-35,
                       -0x1.c8a1bdd8caaa7p-37, 0x1.72351f8304a1ep-39, -0x1.6c1ae363a00f3p-44,
                       -0x1.6866c4055a15ep-45, 0x1.d75d149fd5d05p-48, -0x1.72fa2fdafa5bp-55,
                       -0x1.1e851467ca9c6p-53, 0x1.1f2cda363dc0bp-56, 0x1.b90492317237dp-61,
                       -0x1.9cc18515554f3p-62, 0x1.14b1d8320ff22p-66, 0x1.e89fcbd6b2075p-69,
                       -0x1.45e54bb9eebe5p-72});
  Expr middle =
      poly(root - 3.25, {0x1.8abcc380d5a48p+1,   0x1.0158a6d641d54p+0,   0x1.5ffcfe5b666b8p-8,
                         -0x1.ebadabb9fa0d4p-9,  0x1.468eecab9a6edp-9,   -0x1.ba9240da6546fp-10,
                         0x1.f3cc53a820196p-11,  -0x1.7448bc636c231p-12, 0x1.932f795c0bfc3p-16,
                         0x1.1e6ab0735e66cp-14,  -0x1.8cf7286c66122p-15, 0x1.a243501412946p-17,
                         0x1.8a417a8a9a35bp-19,  -0x1.0b81f279c40b6p-18, 0x1.8aa2fb1078f27p-20,
                         -0x1.cddcaa196c33dp-26, -0x1.ebc1e188685f3p-23, 0x1.19393992a72dfp-23,
                         -0x1.2586ccec29849p-25, -0x1.02fd9a56d2398p-26, 0x1.a441d50dce84ap-27});
  Expr tail =
      poly(root - 5.0, {0x1.3664ddd1ad7fbp+2,   0x1.02a30d1fba10bp+0,   -0x1.22ea5df221d06p-13,
                        -0x1.c2f36aa14e8c9p-13, 0x1.3ebf4f094f7a6p-14,  -0x1.4a34904779662p-16,
                        0x1.2fbcf5c118b29p-18,  -0x1.0a90330a95dcap-20, 0x1.ebe78e717ed8fp-23,
                        -0x1.22385ac5ad0fap-24, 0x1.f22bb33cec816p-26,  -0x1.05662a3962b88p-26,
                        0x1.0de5badb1fd5cp-27,  -0x1.e5533bc754da2p-29, 0x1.61217408fa29ap-30,
                        -0x1.a5ba308adaa4ap-32, 0x1.77c509fa7aba5p-34,  0x1.1bbde49266821p-36,
                        -0x1.a2182b98dfe52p-36, 0x1.897b5af23b81bp-38});
  return select(w < 6.25, central, select(w < 16.0, middle, tail));
}

Expr erfinv(Expr x) {
  Expr ratio = erfinvOverX(-log((1.0 - x) * (x + 1.0)));
  return x * select(abs(x) == 1.0, x.like(INFINITY), ratio);
}

// -- Gamma functions ------------------------------------------------------------------------------

/// sin(pi f) for |f| <= 1/2; relative error 2^-60.
static Expr sinPi(Expr f) {
  Expr square = f * f;
  Expr tail = poly(square, {-0x1.4abbce625be52p+2, 0x1.466bc6775aa4p+1, -0x1.32d2cce625ccep-1,
                            0x1.5078348458d58p-4, -0x1.e3074d786831ap-8, 0x1.e8f34188b7f28p-12,
                            -0x1.6f75186aa3fa4p-16, 0x1.9c92d2ffaf489p-21});
  Expr cubic = fma(square * f, tail, f * 0x1.1a62633145c07p-53);
  return fma(f, f.like(pi), cubic);
}

/// x less the nearest integer.
static Expr fraction(Expr x) { return x - roundEven(x); }

/// From where the asymptotic series are good.
static constexpr double far = 8;

static Expr logGammaOfDouble(Expr x) {
  Expr a = abs(x);
  // log(Γ(a)) = log(Γ(2 + t)) ± log(factor) with t in [-0.8, 1/2]; between the zeros no difference.
  Expr lowered = a, product = a.like(1);
  for (int i = 1; i <= 6; ++i) {
    Expr next = a - double(i), inside = next >= 1.5;
    product = select(inside, product * next, product);
    lowered = select(inside, next, lowered);
  }
  Expr below = a < 1.2, farBelow = a < 0.5, isFar = a >= far;
  Expr t = select(farBelow, a, select(below, a - 1.0, lowered - 2.0));
  Expr factor = select(farBelow, a * (a + 1.0), select(below, a, product));
  Expr logarithm = log(select(isFar, a, factor));
  // log(Γ(2 + t)) / t: 2^-56.
  Expr ratio = poly(t, {0x1.b0ee6072093cep-2,   0x1.4a34cc4a60fa6p-2,   -0x1.13e001a557577p-4,
                        0x1.51322ac7d8763p-6,   -0x1.e404fc21b9804p-8,  0x1.7add6ead4e11ap-9,
                        -0x1.38ac5c1759b01p-10, 0x1.0b36afc0d6b22p-11,  -0x1.d3fd5705aad73p-13,
                        0x1.a1278d7404e63p-14,  -0x1.78dcd0b79e8efp-15, 0x1.581409228e928p-16,
                        -0x1.3cdde9da8fae9p-17, 0x1.24efe30905e3fp-18,  -0x1.10393e7191a3dp-19,
                        0x1.0af0173d07c56p-20,  -0x1.eb9c022671175p-22, 0x1.07980de71a0dap-23,
                        -0x1.1c1e1e04808b9p-23, 0x1.389104c808c67p-23,  0x1.c28e08a7a3738p-25,
                        -0x1.3cbcfa28663e3p-26, -0x1.6b6e3c95f182p-25});
  Expr near = fma(t, ratio, select(below, -logarithm, logarithm));
  // Stirling: (a - 1/2) (log(a) - 1) + log(2 pi)/2 - 1/2 + series/a, to 2^-61.
  Expr series =
      poly(1.0 / (a * a), {0x1.5555555555545p-4, -0x1.6c16c16b2d03bp-9, 0x1.a019fa333f75dp-11,
                           -0x1.380d063a0a5b7p-11, 0x1.b68c87170817fp-11, -0x1.ac3ba5f8f87e8p-10});
  Expr remote = fma(a - 0.5, logarithm - 1.0, series / a + 0.41893853320467274178);
  Expr positive = select(isFar, remote, near);
  // |Γ(-a)| = pi / (a |sin(pi a)| Γ(a)); next to 0, 1 / a.
  Expr sine = abs(sinPi(fraction(a)));
  Expr reflected = log(pi / (a * sine)) - positive;
  reflected = select(a < 0x1p-60, positive, reflected);
  reflected = select(sine == 0.0 || a == INFINITY, a.like(INFINITY), reflected);
  return select(x < 0.0, reflected, positive);
}

Expr lgamma(Expr x) { return fromDouble(logGammaOfDouble(toDouble(x)), x); }

static Expr digammaOfDouble(Expr x) {
  Expr isNegative = x < 0.0;
  Expr z = select(isNegative, -x, x); // ψ(-z) = ψ(z) + 1 / z + π cot(πz)
  // ψ(z) = ψ(lowered) + Σ 1 / (z - i) with lowered in [1, 2.25], or ψ(z + 1) - 1 / z, from which
  // the reflection takes 1 / z off again.
  Expr below = z < 1.0;
  Expr lowered = z, zero = zeroLike(z), one = z.like(1);
  Expr sum = select(below && !isNegative, -1.0 / z, zero);
  for (int i = 1; i <= 6; ++i) {
    Expr next = z - double(i), inside = next >= 1.25;
    sum = sum + select(inside, 1.0 / next, zero);
    lowered = select(inside, next, lowered);
  }
  // ψ over the distance from its zero (in two parts), 2^-55.6.
  constexpr double root = 0x1.762d86356be3fp+0, rootLow = 0x1.b86a722197829p-54;
  Expr distance =
      (select(below, z, lowered) - select(below, one * (root - 1), one * root)) - rootLow;
  Expr t = select(below, z - 0.625, lowered - 1.625);
  Expr ratio = poly(t, {0x1.cd9d88c399e19p-1,   -0x1.7aa649cce5858p-2,  0x1.8ab0d9438e0a3p-3,
                        -0x1.bf4556b33b86p-4,   0x1.0738222bb4113p-4,   -0x1.3bdd9fa2d363p-5,
                        0x1.7f10ac47c442p-6,    -0x1.d35ab37858441p-7,  0x1.1e17d0b488f13p-7,
                        -0x1.5efe3ba1a9eb8p-8,  0x1.af27a3c239217p-9,   -0x1.0902c2491d282p-9,
                        0x1.45e09ff5ab492p-10,  -0x1.90e29c6dfb9b7p-11, 0x1.ee8560786d47ep-12,
                        -0x1.3064f6dd7a9bep-12, 0x1.6c4638dfc3755p-13,  -0x1.bedac2c4b9bbfp-14,
                        0x1.4ab3d57fa0b1ep-14,  -0x1.9c44f7cc5731ap-15, 0x1.fa36ebca4c789p-18,
                        -0x1.0c27d9bc7fcb5p-18, 0x1.9e9ed813116e7p-16,  -0x1.040017c0eb142p-16});
  Expr near = fma(distance, ratio, sum);
  Expr inverse = 1.0 / z, u = inverse * inverse;
  Expr series = poly(u, {0x1.5555555555549p-4, -0x1.11111110e8a9ap-7, 0x1.04104051e535fp-8,
                         -0x1.111056a8b5db6p-8, 0x1.f013317bd4cap-8, -0x1.51592f96e30cep-6,
                         0x1.f844f2ac43d1cp-5});
  Expr remote = log(z) - fma(u, series, inverse * 0.5);
  Expr positive = select(z >= far, remote, near);
  Expr f = fraction(x);
  Expr cotangent = sinPi(0.5 - abs(f)) / sinPi(f);
  Expr reflected = select(below, positive, positive + inverse) - cotangent * pi;
  reflected = select(f == 0.0, x.like(NAN), reflected);
  return select(isNegative, reflected, positive);
}

Expr digamma(Expr x) { return fromDouble(digammaOfDouble(toDouble(x)), x); }

static Expr trigammaOfDouble(Expr x) {
  Expr isNegative = x < 0.0;
  Expr z = select(isNegative, 1.0 - x, x); // ψ'(x) = (π / sin(πx))² - ψ'(1 - x)
  // ψ'(z) = Σ 1 / (z + i)² + ψ'(raised) with raised >= 8.
  Expr raised = z, zero = zeroLike(z);
  std::vector<Expr> terms;
  for (int i = 0; i < 8; ++i) {
    Expr inside = raised < far;
    terms.push_back(select(inside, 1.0 / (raised * raised), zero));
    raised = select(inside, raised + 1.0, raised);
  }
  Expr inverse = 1.0 / raised, u = inverse * inverse;
  Expr series = poly(u, {0x1.5555555555552p-3, -0x1.111111110a5e5p-5, 0x1.86186160e9a05p-6,
                         -0x1.1110f7e998923p-5, 0x1.364413afda19ap-4, -0x1.0221033d95ccfp-2,
                         0x1.18ab5ef0858bfp+0, -0x1.170529a8b4b08p+2});
  Expr remote = fma(u * inverse, series, fma(u, u.like(0.5), inverse));
  Expr positive = remote;
  for (Expr term : llvm::reverse(terms)) // The largest last.
    positive = positive + term;
  Expr f = fraction(x), square = f * f;
  // (π f / sin(πf))² - 1 over f²: 2^-54.02.
  Expr ratio = poly(square, {0x1.a51a662530877p+1, 0x1.9f9cb402b3c9ap+2, 0x1.458cbe61808ffp+3,
                             0x1.c1d39efb56519p+3, 0x1.204963e5189ep+4, 0x1.601463b3acd0ap+4,
                             0x1.a02998ef0da9bp+4, 0x1.de1ad9939d92cp+4, 0x1.1984d2176b5e1p+5,
                             0x1.d5bd75ae58168p+4, 0x1.5d778bcddecb9p+6, -0x1.ebfa9136dc261p+6,
                             0x1.dee343951b405p+8, -0x1.39ac4588075b4p+9, 0x1.2f24b2cd42874p+9});
  Expr cosecants = fma(square, ratio, square.like(1)) / square;
  return select(isNegative, cosecants - positive, positive);
}

Expr trigamma(Expr x) { return fromDouble(trigammaOfDouble(toDouble(x)), x); }

} // namespace sinter::ir::scalar
