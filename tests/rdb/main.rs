//! The RDB codec from outside: what it writes it reads, what is broken it names, and what
//! other servers write and read agrees with it.

mod collect;

mod codec;

mod broken;

mod peers;
