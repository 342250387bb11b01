//! Errors of the operating system, for texts that Redis has too.

use std::io;

/// The system's own words for an error, without the number that Rust puts behind them.
pub fn words(error: &io::Error) -> String {
    let text = error.to_string();
    match (error.raw_os_error(), text.rfind(" (os error ")) {
        (Some(_), Some(end)) => text[..end].into(),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_number_is_left_out() {
        let full = io::Error::from_raw_os_error(28);
        assert_eq!(words(&full), "No space left on device");
        let ours = io::Error::other("cannot (os error 28)");
        assert_eq!(words(&ours), "cannot (os error 28)");
    }
}
