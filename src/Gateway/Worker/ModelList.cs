using System.Text.Json;
using Gateway.Api.Wire;
using Gateway.Model.Weights;

namespace Gateway.Worker;

/// <summary>Describes what this worker serves.</summary>
internal static class ModelList
{
    /// <summary><c>GET /v1/models</c>: the base model, then the adapters with their parent. <c>root</c> is a name, never a path.</summary>
    public static IResult Describe(WorkerRuntime runtime) => new JsonReply(json =>
    {
        json.WriteString("object", "list");
        json.WriteStartArray("data");
        WriteCard(json, runtime, runtime.Options.ModelName, runtime.Created, parent: null);
        json.WriteString("weights", runtime.Options.Weights.Name());
        json.WriteString("base_fingerprint", runtime.Fingerprint);
        json.WriteEndObject();
        foreach (var adapter in runtime.Adapters.List().Names)
        {
            WriteCard(json, runtime, adapter.Name, adapter.LoadedAt, runtime.Options.ModelName);
            json.WriteString("adapter_generation", adapter.Generation);
            json.WriteNumber("rank", adapter.Rank);
            json.WriteNumber("bytes", adapter.Bytes);
            json.WriteString("state", "ready");
            json.WriteEndObject();
        }

        json.WriteEndArray();
    });

    /// <summary><c>GET /version</c>.</summary>
    public static IResult DescribeVersion(WorkerRuntime runtime) => new JsonReply(json =>
    {
        json.WriteString("version", WorkerRuntime.Version);
        json.WriteString("kernels", runtime.Kernels);
        json.WriteString("base_fingerprint", runtime.Fingerprint);
    });

    private static void WriteCard(Utf8JsonWriter json, WorkerRuntime runtime, string id, DateTimeOffset created, string? parent)
    {
        json.WriteStartObject();
        json.WriteString("id", id);
        json.WriteString("object", "model");
        json.WriteNumber("created", created.ToUnixTimeSeconds());
        json.WriteString("owned_by", "gateway");
        json.WriteString("root", id);
        json.WriteString("parent", parent);
        json.WriteNumber("max_model_len", runtime.Engine.MaximumSequenceLength);
        json.WriteStartArray("permission");
        json.WriteEndArray();
    }
}
