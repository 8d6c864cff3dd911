//! The project's own commands: `demo` shows everything on real input, `test` runs every test,
//! `bench` measures. The benchmarks borrow the parts that start a master and end processes.

pub mod bench;
pub mod command_line;
pub mod console;
pub mod demo;
pub mod http;
pub mod master;
pub mod places;
pub mod postgres;
pub mod process;
pub mod python;
pub mod system;
pub mod test;
