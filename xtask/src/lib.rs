//! The project's own commands: `demo` shows everything on real input, `test` runs every test,
//! `bench` measures, `chaos` breaks things on purpose. The last two are crates of their own, which
//! borrow the parts that start servers and end processes.

pub mod bench;
pub mod chaos;
pub mod command_line;
pub mod console;
pub mod demo;
pub mod descendants;
pub mod http;
pub mod master;
pub mod places;
pub mod postgres;
pub mod process;
pub mod python;
pub mod random;
pub mod system;
pub mod test;
