/* Traits of every type of character, as GCC's C++ library has them (bits/char_traits.h).

   The standard wants them of its own five types only, and LLVM's library has had no others since
   version 19; but what was only ever compiled with GCC has strings of unsigned integers. */
#ifndef CROSSBUILD_CHAR_TRAITS_H
#define CROSSBUILD_CHAR_TRAITS_H
#pragma GCC system_header

_LIBCPP_BEGIN_NAMESPACE_STD

template <class _CharT>
struct char_traits {
  using char_type  = _CharT;
  using int_type   = unsigned long;
  using off_type   = streamoff;
  using pos_type   = streampos;
  using state_type = mbstate_t;
#if _LIBCPP_STD_VER >= 20
  using comparison_category = strong_ordering;
#endif

  static _LIBCPP_HIDE_FROM_ABI _LIBCPP_CONSTEXPR_SINCE_CXX17 void
  assign(char_type& __to, const char_type& __from) {
    __to = __from;
  }

  static _LIBCPP_HIDE_FROM_ABI _LIBCPP_CONSTEXPR bool eq(const char_type& __a, const char_type& __b) {
    return __a == __b;
  }

  static _LIBCPP_HIDE_FROM_ABI _LIBCPP_CONSTEXPR bool lt(const char_type& __a, const char_type& __b) {
    return __a < __b;
  }

  static _LIBCPP_HIDE_FROM_ABI _LIBCPP_CONSTEXPR_SINCE_CXX17 int
  compare(const char_type* __a, const char_type* __b, size_t __n) {
    for (; __n; --__n, ++__a, ++__b) {
      if (lt(*__a, *__b))
        return -1;
      if (lt(*__b, *__a))
        return 1;
    }
    return 0;
  }

  static _LIBCPP_HIDE_FROM_ABI _LIBCPP_CONSTEXPR_SINCE_CXX17 size_t length(const char_type* __s) {
    size_t __n = 0;
    while (!eq(__s[__n], char_type()))
      ++__n;
    return __n;
  }

  static _LIBCPP_HIDE_FROM_ABI _LIBCPP_CONSTEXPR_SINCE_CXX17 const char_type*
  find(const char_type* __s, size_t __n, const char_type& __wanted) {
    for (; __n; --__n, ++__s)
      if (eq(*__s, __wanted))
        return __s;
    return nullptr;
  }

  static _LIBCPP_HIDE_FROM_ABI _LIBCPP_CONSTEXPR_SINCE_CXX17 char_type*
  move(char_type* __to, const char_type* __from, size_t __n) {
    if (!std::__is_pointer_in_range(__from, __from + __n, __to))
      return copy(__to, __from, __n);
    while (__n--)
      assign(__to[__n], __from[__n]);
    return __to;
  }

  static _LIBCPP_HIDE_FROM_ABI _LIBCPP_CONSTEXPR_SINCE_CXX17 char_type*
  copy(char_type* __to, const char_type* __from, size_t __n) {
    for (size_t __at = 0; __at < __n; ++__at)
      assign(__to[__at], __from[__at]);
    return __to;
  }

  static _LIBCPP_HIDE_FROM_ABI _LIBCPP_CONSTEXPR_SINCE_CXX17 char_type*
  assign(char_type* __to, size_t __n, char_type __from) {
    for (size_t __at = 0; __at < __n; ++__at)
      assign(__to[__at], __from);
    return __to;
  }

  static _LIBCPP_HIDE_FROM_ABI _LIBCPP_CONSTEXPR char_type to_char_type(const int_type& __c) {
    return static_cast<char_type>(__c);
  }

  static _LIBCPP_HIDE_FROM_ABI _LIBCPP_CONSTEXPR int_type to_int_type(const char_type& __c) {
    return static_cast<int_type>(__c);
  }

  static _LIBCPP_HIDE_FROM_ABI _LIBCPP_CONSTEXPR bool eq_int_type(const int_type& __a, const int_type& __b) {
    return __a == __b;
  }

  static _LIBCPP_HIDE_FROM_ABI _LIBCPP_CONSTEXPR int_type eof() { return static_cast<int_type>(-1); }

  static _LIBCPP_HIDE_FROM_ABI _LIBCPP_CONSTEXPR int_type not_eof(const int_type& __c) {
    return eq_int_type(__c, eof()) ? static_cast<int_type>(0) : __c;
  }
};

_LIBCPP_END_NAMESPACE_STD

#endif
