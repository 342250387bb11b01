//! The 80-bit extended double of x86. INCRBYFLOAT and HINCRBYFLOAT of Redis compute in
//! it, so `0.1 + 0.2` gives `0.3` there; we give the same digits on every machine.

use rustc_apfloat::ieee::X87DoubleExtended;
use rustc_apfloat::{Float, Round};

use super::number::FloatText;

/// A floating point number with 64 bits of precision.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LongDouble(X87DoubleExtended);

/// Digits after the point in `LongDouble::format`.
const FRACTION_DIGITS: usize = 17;

const MANTISSA_BITS: u32 = 64;
const EXPONENT_BIAS: i32 = 16383 + 63;

/// Longer texts than this are refused, as Redis does.
const TEXT_BYTES_MAX: usize = 5 * 1024;

impl LongDouble {
    /// Reads the whole text as C's strtold does, without leading space. Not NaN, and
    /// nothing that overflows to infinity or vanishes to zero.
    pub fn parse(text: &[u8]) -> Option<LongDouble> {
        if text.len() >= TEXT_BYTES_MAX {
            return None;
        }
        let (negative, form) = FloatText::read(text)?;
        let magnitude = match &form {
            FloatText::Infinity => X87DoubleExtended::INFINITY,
            FloatText::Decimal(text) => text.parse().ok()?,
            FloatText::Hexadecimal(text) => text.parse().ok()?,
        };
        form.refuse_out_of_range(magnitude.is_infinite(), magnitude.is_zero())?;
        Some(LongDouble(if negative { -magnitude } else { magnitude }))
    }

    /// The sum, rounded to nearest.
    #[must_use]
    #[expect(
        clippy::should_implement_trait,
        reason = "callers must ask for NaN afterwards"
    )]
    pub fn add(self, other: LongDouble) -> LongDouble {
        LongDouble((self.0 + other.0).value)
    }

    /// How many thousandths it has, rounded up; what is beyond all numbers is the last one.
    pub fn thousandths_up(self) -> i128 {
        let thousand = X87DoubleExtended::from_u128(1000).value;
        let product = (self.0 * thousand).value;
        product
            .to_i128_r(128, Round::TowardPositive, &mut false)
            .value
    }

    /// Whether this is not a number, as the sum of two opposite infinities is.
    pub fn is_nan(self) -> bool {
        self.0.is_nan()
    }

    /// Whether this is positive or negative infinity.
    pub fn is_infinite(self) -> bool {
        self.0.is_infinite()
    }

    /// Prints it without an exponent, rounded to 17 digits after the point, the trailing
    /// zeros cut off. At most about 4,950 bytes.
    pub fn format(self, out: &mut Vec<u8>) {
        if self.0.is_nan() {
            return out.extend_from_slice(b"nan");
        }
        let start = out.len();
        if self.0.is_negative() {
            out.push(b'-');
        }
        if self.0.is_infinite() {
            return out.extend_from_slice(b"inf");
        }
        let bits = self.0.to_bits();
        let mantissa = bits as u64;
        let exponent = ((bits >> MANTISSA_BITS) & 0x7fff) as i32;
        let power = exponent.max(1) - EXPONENT_BIAS;
        match u32::try_from(power) {
            Ok(shift) => format_shifted(mantissa, shift, out),
            Err(_) => format_fraction(mantissa, power.unsigned_abs(), out),
        }
        if &out[start..] == b"-0" {
            out.remove(start);
        }
    }
}

/// Prints `mantissa * 2^shift`, an integer of any length.
fn format_shifted(mantissa: u64, shift: u32, out: &mut Vec<u8>) {
    const CHUNK: u64 = 1_000_000_000;
    const CHUNK_DIGITS: usize = 9;
    const STEP_BITS: u32 = 32;
    // The number in base 10^9, lowest chunk first, multiplied by up to 2^32 a step.
    let mut chunks = Vec::new();
    let mut rest = mantissa;
    while rest > 0 {
        chunks.push(rest % CHUNK);
        rest /= CHUNK;
    }
    let mut shift_left = shift;
    while shift_left > 0 {
        let step = shift_left.min(STEP_BITS);
        shift_left -= step;
        let mut carry = 0;
        for chunk in &mut chunks {
            let shifted = (*chunk << step) + carry;
            *chunk = shifted % CHUNK;
            carry = shifted / CHUNK;
        }
        while carry > 0 {
            chunks.push(carry % CHUNK);
            carry /= CHUNK;
        }
    }
    let mut highest_first = chunks.iter().rev();
    let mut buffer = itoa::Buffer::new();
    let highest = highest_first.next().copied().unwrap_or(0);
    out.extend_from_slice(buffer.format(highest).as_bytes());
    for &chunk in highest_first {
        push_padded(chunk, CHUNK_DIGITS, out);
    }
}

/// Prints `mantissa / 2^shift`, `shift` at least 1.
fn format_fraction(mantissa: u64, shift: u32, out: &mut Vec<u8>) {
    const SCALE: u128 = 10u128.pow(FRACTION_DIGITS as u32);
    let (mut whole, below_one) = match shift {
        0..MANTISSA_BITS => (mantissa >> shift, mantissa & ((1 << shift) - 1)),
        _ => (0, mantissa),
    };
    // Below 2^121, so a shift of 127 or more leaves less than half of the last digit.
    let scaled = u128::from(below_one) * SCALE;
    let mut fraction = 0;
    if shift < u128::BITS - 1 {
        fraction = scaled >> shift;
        let remainder = scaled & ((1u128 << shift) - 1);
        let half = 1u128 << (shift - 1);
        let round_up = remainder > half || (remainder == half && fraction & 1 == 1);
        fraction += u128::from(round_up);
    }
    if fraction == SCALE {
        fraction = 0;
        whole += 1;
    }
    out.extend_from_slice(itoa::Buffer::new().format(whole).as_bytes());
    if fraction > 0 {
        out.push(b'.');
        push_padded(fraction as u64, FRACTION_DIGITS, out);
        while out.last() == Some(&b'0') {
            out.pop();
        }
    }
}

fn push_padded(value: u64, width: usize, out: &mut Vec<u8>) {
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(value).as_bytes();
    out.resize(out.len() + width.saturating_sub(digits.len()), b'0');
    out.extend_from_slice(digits);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(a: &str, b: &str, expect: &str) {
        let [a, b] = [a, b].map(|text| LongDouble::parse(text.as_bytes()).unwrap());
        let mut out = Vec::new();
        a.add(b).format(&mut out);
        assert_eq!(String::from_utf8_lossy(&out), expect);
    }

    #[test]
    fn thousandths_are_rounded_up() {
        fn check(text: &str, expect: i128) {
            let value = LongDouble::parse(text.as_bytes()).unwrap();
            assert_eq!(value.thousandths_up(), expect, "{text}");
        }
        check("0", 0);
        check("0.1", 100);
        check("1.0001", 1001);
        check("-0.0001", 0);
        // The binary fraction is a little less than what is written, as it is in Redis.
        check("-0.001", 0);
        check("1e-400", 1);
        check("9223372036854775.807", i128::from(i64::MAX));
        check("1e400", i128::MAX);
        check("inf", i128::MAX);
        check("-inf", i128::MIN);
    }

    #[test]
    fn sums_have_the_digits_of_redis() {
        check("0.1", "0.2", "0.3");
        check("3", "1.1", "4.1");
        check("10.5", "-10.5", "0");
        check("-0", "-0", "0");
        check("5.0e3", "200", "5200");
        check("1e-18", "0", "0");
        check("-1e-18", "0", "0");
        check("6e-18", "0", "0.00000000000000001");
        check("0.99999999999999999999", "0", "1");
        check("17179869184", "17179869184", "34359738368");
        check("1e18", "1", "1000000000000000001");
        check("1e20", "1", "100000000000000000000");
        check(
            "1e25",
            "1",
            "10000000000000000000000001".replace("01", "00").as_str(),
        );
        check("0x10", "0x1.8p0", "17.5");
        check("inf", "1", "inf");
        check("-inf", "1", "-inf");
    }

    #[test]
    fn opposite_infinities_are_not_a_number() {
        let parse = |text: &str| LongDouble::parse(text.as_bytes()).unwrap();
        assert!(parse("inf").add(parse("-inf")).is_nan());
        assert!(parse("1e4932").add(parse("1e4932")).is_infinite());
    }

    #[test]
    fn out_of_range_texts_are_refused() {
        for text in [
            "",
            "1e5000",
            "-1e5000",
            "1e-5000",
            "nan",
            " 1",
            "1 ",
            "1e999999999999999999999",
        ] {
            assert_eq!(LongDouble::parse(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(LongDouble::parse(&[b'1'; TEXT_BYTES_MAX]), None);
        assert!(LongDouble::parse(b"0e999999999999999999999").is_some());
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_safe_to_parse(
            text in "[-+]?(0[xX])?[0-9a-f.]{0,30}([ep][-+]?[0-9]{0,12})?",
        ) {
            let _ = LongDouble::parse(text.as_bytes());
        }
    }
}
