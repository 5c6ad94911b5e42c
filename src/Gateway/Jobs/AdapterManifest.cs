using Gateway.Training;

namespace Gateway.Jobs;

/// <summary>
/// What an adapter was made from, <c>manifest.json</c> beside its files: it binds the adapter to a prompt and a base model
/// and names the run and the data behind it.
/// </summary>
internal sealed record AdapterManifest(
    string? PromptHash, string? ContractHash, string BaseFingerprint, string RunId, string DatasetDigest, GateVerdict Verdict);
