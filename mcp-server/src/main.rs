//! The rendering layer's command: an MCP server over standard input and output, and a report writer.

fn main() -> std::process::ExitCode {
    mcp_server::cli::main()
}
