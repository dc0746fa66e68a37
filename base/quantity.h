// SPDX-License-Identifier: Apache-2.0
// Physical quantities as types: adding bytes to seconds does not compile, dividing them gives bytes per second.
//
// A value is stored in base units (bytes, floating-point operations, seconds, tokens, joules) as a double, which
// holds integers exactly up to 2^53. Decimal GB (1e9 bytes) and binary GiB (2^30 bytes) are different literals.
// `value()` is for the edges: reports, input and fits.
#pragma once

#include <compare>
#include <concepts>

namespace silicast {

template <int Byte, int Flop, int Second, int Token, int Joule>
struct Dimension {
  static constexpr bool none = Byte == 0 && Flop == 0 && Second == 0 && Token == 0 && Joule == 0;
};

template <class A, class B>
struct DimensionSum;
template <int... A, int... B>
struct DimensionSum<Dimension<A...>, Dimension<B...>> {
  using type = Dimension<(A + B)...>;
};

template <class A, class B>
struct DimensionDifference;
template <int... A, int... B>
struct DimensionDifference<Dimension<A...>, Dimension<B...>> {
  using type = Dimension<(A - B)...>;
};

template <class D>
class Quantity {
 public:
  constexpr Quantity() = default;
  constexpr explicit Quantity(double value) : value_(value) {}

  [[nodiscard]] constexpr double value() const { return value_; }

  constexpr Quantity& operator+=(Quantity other) { return value_ += other.value_, *this; }
  constexpr Quantity& operator-=(Quantity other) { return value_ -= other.value_, *this; }
  constexpr Quantity& operator*=(double factor) { return value_ *= factor, *this; }
  constexpr Quantity& operator/=(double factor) { return value_ /= factor, *this; }

  friend constexpr Quantity operator+(Quantity a, Quantity b) { return Quantity(a.value_ + b.value_); }
  friend constexpr Quantity operator-(Quantity a, Quantity b) { return Quantity(a.value_ - b.value_); }
  friend constexpr Quantity operator*(Quantity a, double factor) { return Quantity(a.value_ * factor); }
  friend constexpr Quantity operator*(double factor, Quantity a) { return a * factor; }
  friend constexpr Quantity operator/(Quantity a, double factor) { return Quantity(a.value_ / factor); }
  friend constexpr auto operator<=>(Quantity a, Quantity b) = default;

 private:
  double value_ = 0;
};

namespace detail {
template <class D>
constexpr auto plain_if_dimensionless(double value) {
  if constexpr (D::none)
    return value;
  else
    return Quantity<D>(value);
}
}  // namespace detail

template <class A, class B>
constexpr auto operator*(Quantity<A> a, Quantity<B> b) {
  return detail::plain_if_dimensionless<typename DimensionSum<A, B>::type>(a.value() * b.value());
}
template <class A, class B>
constexpr auto operator/(Quantity<A> a, Quantity<B> b) {
  return detail::plain_if_dimensionless<typename DimensionDifference<A, B>::type>(a.value() / b.value());
}
template <class B>
constexpr auto operator/(double a, Quantity<B> b) {
  return detail::plain_if_dimensionless<typename DimensionDifference<Dimension<0, 0, 0, 0, 0>, B>::type>(a / b.value());
}

using Bytes = Quantity<Dimension<1, 0, 0, 0, 0>>;
using Flops = Quantity<Dimension<0, 1, 0, 0, 0>>;  // an amount of operations, not a rate
using Seconds = Quantity<Dimension<0, 0, 1, 0, 0>>;
using Tokens = Quantity<Dimension<0, 0, 0, 1, 0>>;
using Joules = Quantity<Dimension<0, 0, 0, 0, 1>>;
using Hertz = decltype(1.0 / Seconds(1));
using BytesPerSecond = decltype(Bytes(1) / Seconds(1));
using FlopsPerSecond = decltype(Flops(1) / Seconds(1));
using TokensPerSecond = decltype(Tokens(1) / Seconds(1));
using SecondsPerToken = decltype(Seconds(1) / Tokens(1));
using BytesPerToken = decltype(Bytes(1) / Tokens(1));
using JoulesPerToken = decltype(Joules(1) / Tokens(1));
using Watts = decltype(Joules(1) / Seconds(1));
using JoulesPerByte = decltype(Joules(1) / Bytes(1));
using JoulesPerFlop = decltype(Joules(1) / Flops(1));
using FlopsPerByte = decltype(Flops(1) / Bytes(1));

inline namespace literals {
// NOLINTBEGIN(google-runtime-int): the standard prescribes unsigned long long for integer literals.
#define SILICAST_LITERAL(suffix, Type, factor)                                                          \
  constexpr Type operator""_##suffix(long double v) { return Type(static_cast<double>(v) * (factor)); } \
  constexpr Type operator""_##suffix(unsigned long long v) { return Type(static_cast<double>(v) * (factor)); }
SILICAST_LITERAL(B, Bytes, 1.0)
SILICAST_LITERAL(kB, Bytes, 1e3)
SILICAST_LITERAL(MB, Bytes, 1e6)
SILICAST_LITERAL(GB, Bytes, 1e9)
SILICAST_LITERAL(KiB, Bytes, 1024.0)
SILICAST_LITERAL(MiB, Bytes, 1048576.0)
SILICAST_LITERAL(GiB, Bytes, 1073741824.0)
SILICAST_LITERAL(GBps, BytesPerSecond, 1e9)
SILICAST_LITERAL(FLOP, Flops, 1.0)
SILICAST_LITERAL(GFLOP, Flops, 1e9)
SILICAST_LITERAL(TFLOPS, FlopsPerSecond, 1e12)
SILICAST_LITERAL(s, Seconds, 1.0)
SILICAST_LITERAL(ms, Seconds, 1e-3)
SILICAST_LITERAL(us, Seconds, 1e-6)
SILICAST_LITERAL(MHz, Hertz, 1e6)
SILICAST_LITERAL(GHz, Hertz, 1e9)
SILICAST_LITERAL(W, Watts, 1.0)
#undef SILICAST_LITERAL
// NOLINTEND(google-runtime-int)
}  // namespace literals

}  // namespace silicast
