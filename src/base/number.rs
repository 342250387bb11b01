//! Numbers to and from text. Reading is as strict as Redis's: what is stored as a number
//! must print back to the very same bytes, so nothing is trimmed or guessed.

use rustc_apfloat::Float;
use rustc_apfloat::ieee::Double;

/// The text of an integer, on the stack.
pub struct Digits {
    buffer: itoa::Buffer,
}

impl Digits {
    /// An empty buffer, ready for use.
    #[inline]
    pub fn new() -> Digits {
        Digits {
            buffer: itoa::Buffer::new(),
        }
    }

    /// The decimal digits of `value`.
    #[inline]
    pub fn of<I: itoa::Integer>(&mut self, value: I) -> &[u8] {
        self.buffer.format(value).as_bytes()
    }
}

impl Default for Digits {
    fn default() -> Digits {
        Digits::new()
    }
}

/// A buffer for `Digits::of`, as `digits().of(value)`.
#[inline]
pub fn digits() -> Digits {
    Digits::new()
}

/// An integer exactly as Redis prints it: no plus, no leading zeros, no `-0`, no spaces.
#[inline]
pub fn parse_i64(text: &[u8]) -> Option<i64> {
    match text {
        [b'0'] => Some(0),
        [b'-', magnitude @ ..] => match magnitude.first() {
            Some(b'1'..=b'9') => 0i64.checked_sub_unsigned(parse_digits(magnitude)?),
            _ => None,
        },
        [b'1'..=b'9', ..] => i64::try_from(parse_digits(text)?).ok(),
        _ => None,
    }
}

/// An unsigned integer: digits only. Leading zeros pass, as they do in stream ids and
/// cursors.
pub fn parse_u64(text: &[u8]) -> Option<u64> {
    let zeros = text.iter().take_while(|&&c| c == b'0').count();
    match text.get(zeros..) {
        Some([]) if zeros > 0 => Some(0),
        Some(significant) => parse_digits(significant),
        None => None,
    }
}

/// One or more digits, at most `u64::MAX`.
#[inline]
fn parse_digits(text: &[u8]) -> Option<u64> {
    const LEN_MAX: usize = 20;
    if text.is_empty() || text.len() > LEN_MAX {
        return None;
    }
    // The first 19 digits cannot overflow; only a twentieth needs checked arithmetic.
    let (sure, last) = text.split_at(text.len().min(LEN_MAX - 1));
    let mut value = 0u64;
    for &c in sure {
        value = value * 10 + digit(c)?;
    }
    match last {
        [c] => value.checked_mul(10)?.checked_add(digit(*c)?),
        _ => Some(value),
    }
}

#[inline]
fn digit(c: u8) -> Option<u64> {
    let value = c.wrapping_sub(b'0');
    (value <= 9).then_some(u64::from(value))
}

/// A double as C's strtod reads it, the whole text and no leading space: decimal or
/// hexadecimal, `inf`, `infinity`. Not NaN, and nothing that overflows to infinity or
/// vanishes to zero.
pub fn parse_f64(text: &[u8]) -> Option<f64> {
    let (negative, form) = FloatText::read(text)?;
    let magnitude = match &form {
        FloatText::Infinity => f64::INFINITY,
        FloatText::Hexadecimal(text) => {
            let parsed = text.parse::<Double>().ok()?;
            form.refuse_out_of_range(parsed.is_infinite(), parsed.is_zero())?;
            f64::from_bits(parsed.to_bits() as u64)
        }
        FloatText::Decimal(text) => {
            let parsed = text.parse::<f64>().ok()?;
            form.refuse_out_of_range(parsed.is_infinite(), parsed == 0.0)?;
            parsed
        }
    };
    Some(if negative { -magnitude } else { magnitude })
}

/// The three forms of a floating point number's text, the sign already off.
pub(super) enum FloatText<'a> {
    Infinity,
    Decimal(&'a str),
    /// With `0x` and always with an exponent.
    Hexadecimal(std::borrow::Cow<'a, str>),
}

impl<'a> FloatText<'a> {
    /// Whether it is negative, and its form. None if strtod would not take all of it.
    pub(super) fn read(text: &'a [u8]) -> Option<(bool, FloatText<'a>)> {
        let (negative, magnitude) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            _ => (false, text),
        };
        let form = match magnitude {
            [b'i' | b'I', ..] => {
                let infinite = [&b"inf"[..], b"infinity"];
                infinite
                    .iter()
                    .find(|word| magnitude.eq_ignore_ascii_case(word))?;
                FloatText::Infinity
            }
            [b'0', b'x' | b'X', rest @ ..] => {
                let has_exponent = check_digits(rest, u8::is_ascii_hexdigit, b'p')?;
                let text = std::str::from_utf8(magnitude).ok()?;
                FloatText::Hexadecimal(if has_exponent {
                    text.into()
                } else {
                    format!("{text}p0").into()
                })
            }
            _ => {
                check_digits(magnitude, u8::is_ascii_digit, b'e')?;
                FloatText::Decimal(std::str::from_utf8(magnitude).ok()?)
            }
        };
        Some((negative, form))
    }

    /// None if a finite, non-zero text became infinity or zero.
    pub(super) fn refuse_out_of_range(&self, infinite: bool, zero: bool) -> Option<()> {
        let (text, exponent) = match self {
            FloatText::Infinity => return Some(()),
            FloatText::Decimal(text) => (*text, ['e', 'E']),
            FloatText::Hexadecimal(text) => (text.as_ref(), ['p', 'P']),
        };
        let mantissa = text.split(exponent).next().unwrap_or_default();
        let is_zero = mantissa
            .bytes()
            .all(|c| matches!(c, b'0' | b'.' | b'x' | b'X'));
        (!infinite && (!zero || is_zero)).then_some(())
    }
}

/// Digits with at most one point among them, at least one digit, then an optional decimal
/// exponent. Gives whether the exponent is there.
fn check_digits(text: &[u8], is_digit: fn(&u8) -> bool, exponent: u8) -> Option<bool> {
    let whole = text.iter().take_while(|c| is_digit(c)).count();
    let mut rest = &text[whole..];
    let mut fraction = 0;
    if let [b'.', after_point @ ..] = rest {
        fraction = after_point.iter().take_while(|c| is_digit(c)).count();
        rest = &after_point[fraction..];
    }
    if whole + fraction == 0 {
        return None;
    }
    match rest {
        [] => Some(false),
        [c, power @ ..] if c.eq_ignore_ascii_case(&exponent) => {
            let power = match power {
                [b'+' | b'-', power @ ..] => power,
                _ => power,
            };
            let valid = !power.is_empty() && power.iter().all(u8::is_ascii_digit);
            valid.then_some(true)
        }
        _ => None,
    }
}

/// Prints a double as Redis 8 replies with it: integers plainly, others with the fewest
/// digits that read back to the same double, `inf`, `-inf`, `nan`.
pub fn format_f64(value: f64, out: &mut Vec<u8>) {
    const PLAIN_INTEGER_MAX: f64 = (1u64 << 62) as f64;
    if value.is_nan() {
        out.extend_from_slice(b"nan");
    } else if value.is_infinite() {
        out.extend_from_slice(if value > 0.0 { b"inf" } else { b"-inf" });
    } else if value == 0.0 {
        out.extend_from_slice(if value.is_sign_negative() {
            b"-0"
        } else {
            b"0"
        });
    } else if value.abs() <= PLAIN_INTEGER_MAX && value.trunc() == value {
        out.extend_from_slice(digits().of(value as i64));
    } else {
        format_shortest(value, out);
    }
}

/// Prints a double as C's `%.17g` does: with 17 digits but for zeros at the end.
pub fn format_f64_17(value: f64, out: &mut Vec<u8>) {
    const DIGITS: i32 = 17;
    if !value.is_finite() || value == 0.0 {
        return format_f64(value, out);
    }
    let text = format!("{:.16e}", value.abs());
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let digits: Vec<u8> = mantissa.bytes().filter(u8::is_ascii_digit).collect();
    let kept = digits
        .iter()
        .rposition(|&c| c != b'0')
        .map_or(1, |at| at + 1);
    let digits = &digits[..kept];
    let power: i32 = exponent.parse().unwrap_or(0);
    if value < 0.0 {
        out.push(b'-');
    }
    if !(-4..DIGITS).contains(&power) {
        out.push(digits[0]);
        put_fraction(&digits[1..], out);
        out.extend_from_slice(if power < 0 { b"e-" } else { b"e+" });
        if power.abs() < 10 {
            out.push(b'0');
        }
        out.extend_from_slice(self::digits().of(power.unsigned_abs()));
    } else if power < 0 {
        out.extend_from_slice(b"0.");
        out.resize(out.len() + (-power - 1) as usize, b'0');
        out.extend_from_slice(digits);
    } else {
        let whole = power as usize + 1;
        let end = out.len() + whole;
        out.extend_from_slice(&digits[..whole.min(digits.len())]);
        out.resize(end, b'0');
        put_fraction(digits.get(whole..).unwrap_or_default(), out);
    }
}

fn put_fraction(digits: &[u8], out: &mut Vec<u8>) {
    if !digits.is_empty() {
        out.push(b'.');
        out.extend_from_slice(digits);
    }
}

/// The shortest digits of a finite, non-zero double, laid out plainly when that takes few
/// zeros and with an exponent otherwise: integers too.
pub fn format_shortest(value: f64, out: &mut Vec<u8>) {
    let mut buffer = ryu::Buffer::new();
    let decimal = Decimal::read(buffer.format_finite(value.abs()).as_bytes());
    let digits = &decimal.digits[..decimal.len];
    let power = decimal.power + decimal.len as i32 - 1;
    let few_digits = decimal.len as i32 + 7;
    if value < 0.0 {
        out.push(b'-');
    }
    if decimal.power >= 0 && power.abs() < few_digits {
        out.extend_from_slice(digits);
        out.resize(out.len() + decimal.power as usize, b'0');
    } else if decimal.power < 0 && (decimal.power > -7 || power.abs() < 4) {
        match usize::try_from(decimal.len as i32 + decimal.power) {
            Ok(whole) if whole > 0 => {
                out.extend_from_slice(&digits[..whole]);
                out.push(b'.');
                out.extend_from_slice(&digits[whole..]);
            }
            _ => {
                let zeros = -(decimal.len as i32 + decimal.power);
                out.extend_from_slice(b"0.");
                out.resize(out.len() + zeros as usize, b'0');
                out.extend_from_slice(digits);
            }
        }
    } else {
        out.push(digits[0]);
        if let [_, fraction @ ..] = digits
            && !fraction.is_empty()
        {
            out.push(b'.');
            out.extend_from_slice(fraction);
        }
        out.extend_from_slice(if power < 0 { b"e-" } else { b"e+" });
        out.extend_from_slice(self::digits().of(power.unsigned_abs()));
    }
}

/// `digits[..len]` times ten to the `power`, without trailing zeros.
struct Decimal {
    digits: [u8; 20],
    len: usize,
    power: i32,
}

impl Decimal {
    /// Reads ryu's form: digits, perhaps a point, perhaps `e` and an exponent.
    fn read(text: &[u8]) -> Decimal {
        let mut decimal = Decimal {
            digits: [0; 20],
            len: 0,
            power: 0,
        };
        let mut in_fraction = false;
        for (at, &c) in text.iter().enumerate() {
            match c {
                b'.' => in_fraction = true,
                b'e' => {
                    let exponent = parse_i64(&text[at + 1..]).unwrap_or(0);
                    decimal.power += exponent as i32;
                    break;
                }
                _ => {
                    decimal.power -= i32::from(in_fraction);
                    if c != b'0' || decimal.len > 0 {
                        decimal.digits[decimal.len] = c;
                        decimal.len += 1;
                    }
                }
            }
        }
        while decimal.len > 1 && decimal.digits[decimal.len - 1] == b'0' {
            decimal.len -= 1;
            decimal.power += 1;
        }
        decimal
    }
}

/// A number of bytes with an optional unit: `b`, `k` `m` `g` (thousands), `kb` `mb` `gb`
/// (1024s), in any case.
pub fn parse_memory(text: &[u8]) -> Option<u64> {
    let digits_len = text.iter().take_while(|c| c.is_ascii_digit()).count();
    let (number, unit) = text.split_at(digits_len);
    let unit_bytes: u64 = match unit.to_ascii_lowercase().as_slice() {
        b"" | b"b" => 1,
        b"k" => 1000,
        b"kb" => 1 << 10,
        b"m" => 1_000_000,
        b"mb" => 1 << 20,
        b"g" => 1_000_000_000,
        b"gb" => 1 << 30,
        _ => return None,
    };
    parse_u64(number)?.checked_mul(unit_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn integers() {
        fn check(text: &str, expect: Option<i64>) {
            assert_eq!(parse_i64(text.as_bytes()), expect, "{text:?}");
        }
        check("0", Some(0));
        check("-1", Some(-1));
        check("9223372036854775807", Some(i64::MAX));
        check("9223372036854775808", None);
        check("-9223372036854775808", Some(i64::MIN));
        check("-9223372036854775809", None);
        check("18446744073709551616", None);
        for text in [
            "", "-", "+1", "01", "-0", "-01", " 1", "1 ", "1a", "1.0", "00",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn unsigned_integers() {
        fn check(text: &str, expect: Option<u64>) {
            assert_eq!(parse_u64(text.as_bytes()), expect, "{text:?}");
        }
        check("0", Some(0));
        check("007", Some(7));
        check("00000000000000000000000000000001", Some(1));
        check("18446744073709551615", Some(u64::MAX));
        check("18446744073709551616", None);
        check("99999999999999999999", None);
        for text in ["", "-1", "+1", " 1", "1 ", "x"] {
            check(text, None);
        }
    }

    #[test]
    fn doubles() {
        fn check(text: &str, expect: Option<f64>) {
            assert_eq!(parse_f64(text.as_bytes()), expect, "{text:?}");
        }
        check("3.25", Some(3.25));
        check("+1.", Some(1.0));
        check("-.5", Some(-0.5));
        check("1E5", Some(1e5));
        check("0e999", Some(0.0));
        check("0x10", Some(16.0));
        check("-0X1.8p1", Some(-3.0));
        check("0x.8", Some(0.5));
        check("INF", Some(f64::INFINITY));
        check("-Infinity", Some(f64::NEG_INFINITY));
        check("1e-320", Some(1e-320));
        check("4.9e-324", Some(5e-324));
        for text in [
            "",
            ".",
            "1e",
            "1e+",
            "nan",
            "nan(1)",
            "infinit",
            " 1",
            "1 ",
            "1_0",
            "0x",
            "0x.p1",
            "1e400",
            "-1e5000",
            "1e-400",
            "2e-324",
            "0x1p-1080",
            "0x1p99999",
            "--1",
            "+-1",
            "1\0",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn doubles_print_as_in_redis() {
        fn check(value: f64, expect: &str) {
            let mut out = Vec::new();
            format_f64(value, &mut out);
            assert_eq!(String::from_utf8_lossy(&out), expect);
        }
        check(0.0, "0");
        check(-0.0, "-0");
        check(3.0, "3");
        check(0.1, "0.1");
        check(-2.5, "-2.5");
        check(1e15, "1000000000000000");
        check(1e17, "100000000000000000");
        check(1e19, "1e+19");
        check(43356481142574512.0, "43356481142574512");
        check(9007199254740993.0, "9007199254740992");
        check(1.5e300, "1.5e+300");
        check(5e-324, "5e-324");
        check(1e-320, "1e-320");
        check(0.000001, "0.000001");
        check(0.0000001, "1e-7");
        check(1.25e-7, "1.25e-7");
        check(f64::INFINITY, "inf");
        check(f64::NEG_INFINITY, "-inf");
        check(f64::NAN, "nan");
        check(f64::MAX, "1.7976931348623157e+308");
    }

    #[test]
    fn doubles_print_as_in_c() {
        fn check(value: f64, expect: &str) {
            let mut out = Vec::new();
            format_f64_17(value, &mut out);
            assert_eq!(String::from_utf8_lossy(&out), expect);
        }
        check(0.1, "0.10000000000000001");
        check(-0.0, "-0");
        check(3.0, "3");
        check(-120.5, "-120.5");
        check(1e16, "10000000000000000");
        check(1e17, "1e+17");
        check(1.5e-10, "1.5e-10");
        check(0.0001, "0.0001");
        check(0.00001, "1.0000000000000001e-05");
        check(1e300, "1.0000000000000001e+300");
        check(5e-324, "4.9406564584124654e-324");
        check(f64::NEG_INFINITY, "-inf");
    }

    #[test]
    fn memory_sizes() {
        fn check(text: &str, expect: Option<u64>) {
            assert_eq!(parse_memory(text.as_bytes()), expect, "{text:?}");
        }
        check("0", Some(0));
        check("100", Some(100));
        check("1b", Some(1));
        check("2k", Some(2000));
        check("2Kb", Some(2048));
        check("100mb", Some(100 << 20));
        check("1G", Some(1_000_000_000));
        check("1gb", Some(1 << 30));
        for text in ["", "mb", "-1", "1tb", "1 mb", "99999999999gb"] {
            check(text, None);
        }
    }

    proptest! {
        #[test]
        fn integers_round_trip(value: i64) {
            let mut buffer = digits();
            prop_assert_eq!(parse_i64(buffer.of(value)), Some(value));
        }

        #[test]
        fn doubles_round_trip(bits: u64) {
            let value = f64::from_bits(bits);
            prop_assume!(!value.is_nan());
            let mut out = Vec::new();
            format_f64(value, &mut out);
            prop_assert_eq!(parse_f64(&out), Some(value));
        }

        #[test]
        fn any_bytes_are_safe_to_parse(text in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = (parse_i64(&text), parse_u64(&text), parse_f64(&text), parse_memory(&text));
        }

        #[test]
        fn number_like_text_is_safe_to_parse(
            text in "[-+]?(0[xX])?[0-9a-f.]{0,30}([ep][-+]?[0-9]{0,12})?",
        ) {
            let _ = parse_f64(text.as_bytes());
        }
    }
}
