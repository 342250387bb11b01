//! In which version of the file a follower can be given a snapshot.
//!
//! Nobody says what it can read, so it is told by signs: Valkey sends its version, Redis 8 a
//! capability that came with it, and we one of our own. Without a sign a follower may be as
//! old as Redis 7.0. What it cannot read must not be sent: it would drop its data first and
//! find out then.

use crate::persist::stream::Needs;
use crate::rdb::format::FileVersion;
use crate::shared::introduction::FollowerFacts;

/// The first Valkey whose own version of the file we write.
const VALKEY_80_SINCE: [u8; 3] = [9, 0, 0];

pub fn can_read(follower: &FollowerFacts, version: FileVersion) -> bool {
    if follower.rdb_only && version != FileVersion::Valkey80 {
        // It is a tool that keeps the file as it is; whoever loads it has to know it.
        return true;
    }
    match version {
        FileVersion::Redis10 => true,
        FileVersion::Redis11 => follower.redis_12 || follower.version.is_some(),
        FileVersion::Redis12 => follower.redis_12,
        FileVersion::Valkey80 => follower
            .version
            .is_some_and(|version| version >= VALKEY_80_SINCE),
    }
}

/// The version that holds what there is and that some of these followers can read. The
/// others wait for a snapshot of their own. What groups have beyond version 10 is left away
/// only for those who could not read it, as Redis does.
pub fn choose<'a>(
    needs: Needs,
    followers: impl Iterator<Item = &'a FollowerFacts> + Clone,
) -> Option<FileVersion> {
    let versions: &[FileVersion] = match needs {
        Needs {
            field_times: true, ..
        } => &[FileVersion::Redis12, FileVersion::Valkey80],
        Needs { groups: true, .. } => &[FileVersion::Redis11, FileVersion::Redis10],
        _ => &[FileVersion::Redis10],
    };
    let is_read = |version: &&FileVersion| followers.clone().any(|f| can_read(f, **version));
    versions.iter().find(is_read).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn valkey(version: [u8; 3]) -> FollowerFacts {
        FollowerFacts {
            version: Some(version),
            ..FollowerFacts::default()
        }
    }

    fn redis_8() -> FollowerFacts {
        FollowerFacts {
            redis_12: true,
            ..FollowerFacts::default()
        }
    }

    fn ours() -> FollowerFacts {
        FollowerFacts {
            redis_12: true,
            ..valkey([9, 0, 0])
        }
    }

    #[test]
    fn what_everybody_can_read_goes_to_everybody() {
        let all = [FollowerFacts::default(), redis_8(), valkey([8, 0, 1])];
        let version = choose(Needs::default(), all.iter());
        assert_eq!(version, Some(FileVersion::Redis10));
        let can = |version| all.iter().all(|follower| can_read(follower, version));
        assert!(can(FileVersion::Redis10) && !can(FileVersion::Redis11));
    }

    #[test]
    fn who_cannot_read_what_there_is_gets_nothing() {
        let times = Needs {
            field_times: true,
            groups: false,
        };
        let both = Needs {
            groups: true,
            ..times
        };
        let check = |followers: &[FollowerFacts], version, readers: usize| {
            for needs in [times, both] {
                assert_eq!(choose(needs, followers.iter()), version);
            }
            let reads = |f: &&FollowerFacts| version.is_some_and(|version| can_read(f, version));
            assert_eq!(followers.iter().filter(reads).count(), readers);
        };
        let (redis, valkey_80) = (Some(FileVersion::Redis12), Some(FileVersion::Valkey80));
        check(&[], None, 0);
        check(&[FollowerFacts::default()], None, 0);
        check(&[valkey([8, 1, 0])], None, 0);
        check(&[valkey([9, 1, 2])], valkey_80, 1);
        check(&[valkey([10, 0, 0]), valkey([8, 0, 0])], valkey_80, 1);
        check(&[redis_8()], redis, 1);
        check(&[valkey([9, 0, 0]), redis_8(), ours()], redis, 2);
        check(&[valkey([9, 0, 0]), ours()], redis, 1);
        check(&[ours()], redis, 1);
        // Who only keeps the file need not read it.
        let tool = FollowerFacts {
            rdb_only: true,
            ..FollowerFacts::default()
        };
        check(&[tool], redis, 1);
    }

    /// Nobody is refused for what is only left away.
    #[test]
    fn who_cannot_read_all_of_a_group_gets_the_rest() {
        let needs = Needs {
            groups: true,
            ..Needs::default()
        };
        let check = |followers: &[FollowerFacts], version, readers: usize| {
            assert_eq!(choose(needs, followers.iter()), Some(version));
            let reads = |f: &&FollowerFacts| can_read(f, version);
            assert_eq!(followers.iter().filter(reads).count(), readers);
        };
        let old = FollowerFacts::default();
        check(std::slice::from_ref(&old), FileVersion::Redis10, 1);
        check(
            &[old, redis_8(), valkey([8, 1, 0])],
            FileVersion::Redis11,
            2,
        );
        check(&[ours()], FileVersion::Redis11, 1);
    }
}
