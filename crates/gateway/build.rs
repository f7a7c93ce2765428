//! Rebuilds the crate when the shipped configuration changes: it is compiled in.
fn main() {
    println!("cargo:rerun-if-changed=../../config");
}
