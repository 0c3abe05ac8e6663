//! Makes the gRPC service of `downlink.proto`; its messages are those of `fleetwire-model`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = "../../proto";
    println!("cargo::rerun-if-changed={root}/fleetwire/v1/downlink.proto");
    let descriptors = protox::compile([format!("{root}/fleetwire/v1/downlink.proto")], [root])?;
    tonic_prost_build::configure()
        .extern_path(".fleetwire.v1", "::fleetwire_model::pb")
        .compile_fds(descriptors)?;
    Ok(())
}
