//! GEOADD: members with places. It is logged as the ZADD that it comes to.

use super::take_place;
use crate::base::number::Digits;
use crate::commands::args::Args;
use crate::commands::cx::{Cx, Outcome};
use crate::commands::error::CmdError;
use crate::commands::zset::{AddOptions, Pairs, add_members};

pub fn geoadd(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let key = args.key();
    let mut options = AddOptions::default();
    let mut words = args.clone();
    let before = args.left();
    loop {
        let option = match () {
            () if args.take("NX") => &mut options.nx,
            () if args.take("XX") => &mut options.xx,
            () if args.take("CH") => &mut options.ch,
            () => break,
        };
        *option = true;
    }
    let word_count = before - args.left();
    let is_whole = args.left().is_multiple_of(3) && !args.is_empty();
    if !is_whole || options.nx && options.xx {
        return Err(CmdError::Syntax);
    }
    let mut pairs = Pairs::new();
    while !args.is_empty() {
        let place = take_place(&mut args)?;
        pairs.push((place.score() as f64, args.bytes()));
    }
    if add_members(cx, key, options, &pairs)? {
        let scores: Vec<Vec<u8>> = pairs
            .iter()
            .map(|(score, _)| Digits::new().of(*score as u64).to_vec())
            .collect();
        let mut logged = vec![&b"zadd"[..], key.bytes];
        logged.extend((0..word_count).map(|_| words.bytes()));
        for (score, (_, member)) in scores.iter().zip(&pairs) {
            logged.extend([&score[..], member]);
        }
        cx.log_instead(&logged);
    }
    Ok(Outcome::Done)
}
