using System.Text.Json;
using Gateway.Api.Wire;
using Gateway.Domain.Adapters;
using Gateway.Domain.Json;
using Gateway.Domain.Storage;
using Gateway.Model.Lora;
using Gateway.Storage;
using Gateway.Storage.Files;

namespace Gateway.Hosting;

/// <summary>A registered generation, or the error that says why there is none.</summary>
public readonly record struct Registration(Adapter? Adapter, ApiError? Error);

/// <summary>Turns PEFT folders into immutable, registered generations below the data folder. Thread-safe.</summary>
public sealed class AdapterRegistry(DataFolder data, BaseModel baseModel, IDocumentStore documents, ControlPlane control, TimeProvider clock)
{
    private const string ConfigFile = "adapter_config.json";
    private const string TensorFile = "adapter_model.safetensors";
    private const string ManifestFile = "manifest.json";

    /// <summary>
    /// Registers the adapter in <paramref name="source"/>: 1 checks that it fits the base model exactly and hashes it;
    /// 2 an identical one is returned as it is; 3 copies its files, synced, into a folder named by the generation;
    /// 4 commits the record. Idempotent by content. A manifest.json beside it binds it to a prompt and a base.
    /// </summary>
    public async Task<Registration> RegisterAsync(
        string source, string name, string? runId, string actor, string reason, CancellationToken cancellationToken)
    {
        // 1 Check and hash what was read.
        Adapter adapter;
        try
        {
            using var tensors = PeftFile.Read(source, baseModel.Config, new AdapterLimits(), baseModel.Fingerprint);
            var (promptHash, fingerprint) = await ReadManifestAsync(source, cancellationToken);
            adapter = new Adapter
            {
                Generation = tensors.ComputeGeneration(),
                Name = name,
                Rank = tensors.Factors.Max(factor => factor.Target.Rank),
                Bytes = new FileInfo(Path.Combine(source, TensorFile)).Length,
                PromptHash = promptHash,
                BaseFingerprint = fingerprint,
                RunId = runId,
                CreatedAt = clock.GetUtcNow(),
            };
        }
        catch (InvalidAdapterException failure)
        {
            // Clients learn what is wrong, not where the operator keeps it.
            return new(null, ApiError.InvalidAdapter(failure.Message.Replace($"'{source}'", "the adapter folder", StringComparison.Ordinal)));
        }

        // 2 Known already.
        if (await FindAsync(adapter.Generation, cancellationToken) is { } known)
        {
            return new(known, null);
        }

        // 3 Files first, so that a record never names a folder that is not there.
        Copy(source, adapter.Generation);

        // 4 Record.
        var registered = await control.ApplyAsync(
            actor, "adapter.register", adapter.Generation, reason,
            async token =>
            {
                if (await FindAsync(adapter.Generation, token) is { } other)
                {
                    return new ControlDecision<Adapter>([], other);
                }

                var json = JsonSerializer.SerializeToUtf8Bytes(adapter, DomainJson.Default.Adapter);
                return new([new(Collections.Adapters, adapter.Generation, ExpectedVersion: 0, json)], adapter);
            },
            cancellationToken);
        return new(registered, null);
    }

    /// <summary>The registered generation, or null.</summary>
    public async Task<Adapter?> FindAsync(string generation, CancellationToken cancellationToken) =>
        await documents.GetAsync(Collections.Adapters, generation, cancellationToken) is { } document
            ? JsonSerializer.Deserialize(document.Json.Span, DomainJson.Default.Adapter)
            : null;

    private void Copy(string source, string generation)
    {
        var target = data.AdapterPath(generation);
        if (Directory.Exists(target))
        {
            return;
        }

        Directory.CreateDirectory(data.Adapters);
        var temporary = Path.Combine(data.Adapters, $".{Guid.NewGuid():N}");
        Directory.CreateDirectory(temporary);
        try
        {
            foreach (var file in new[] { ConfigFile, TensorFile, ManifestFile }.Where(file => File.Exists(Path.Combine(source, file))))
            {
                using var from = File.OpenRead(Path.Combine(source, file));
                using var to = new FileStream(Path.Combine(temporary, file), FileMode.CreateNew, FileAccess.Write);
                from.CopyTo(to);
                to.Flush(flushToDisk: true);
            }

            DurableFiles.FlushFolder(temporary);
            Directory.Move(temporary, target);
            DurableFiles.FlushFolder(data.Adapters);
        }
        catch (IOException) when (Directory.Exists(target))
        {
            // Another call registered the same content at the same time.
            Directory.Delete(temporary, recursive: true);
        }
    }

    private static async Task<(string? PromptHash, string? BaseFingerprint)> ReadManifestAsync(string folder, CancellationToken cancellationToken)
    {
        var path = Path.Combine(folder, ManifestFile);
        if (!File.Exists(path))
        {
            return (null, null);
        }

        try
        {
            using var manifest = JsonDocument.Parse(await File.ReadAllBytesAsync(path, cancellationToken));
            return (Text(manifest.RootElement, "prompt_hash"), Text(manifest.RootElement, "base_fingerprint"));
        }
        catch (Exception failure) when (failure is JsonException or InvalidOperationException)
        {
            throw new InvalidAdapterException($"{ManifestFile} is not a JSON object with strings 'prompt_hash' and 'base_fingerprint'; correct or remove it.", failure);
        }

        static string? Text(JsonElement root, string name) => root.TryGetProperty(name, out var value) ? value.GetString() : null;
    }
}
