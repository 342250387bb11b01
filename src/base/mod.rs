//! What every other module stands on, and what itself knows nothing of the server.

/// The time, for the shells that hand it to everybody else.
pub mod clock;

/// Seedable random numbers.
pub mod rng;

/// Hashes: of keys, of cluster slots (CRC16), of files (CRC64).
pub mod hash;

/// Redis's glob patterns.
pub mod glob;

/// Numbers to and from text, as strictly as Redis reads and prints them.
pub mod number;

/// Numbers of 80 bits, for INCRBYFLOAT.
pub mod long_double;

/// What the system says of this process: processor time, memory.
pub mod process;

/// The system's errors in its own words.
pub mod os_error;

/// The process's title.
pub mod title;

/// How much memory to ask for.
pub mod room;

/// The process's allocator and what it has in use.
pub mod memory;
