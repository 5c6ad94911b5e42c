using System.Text.Json;
using Gateway.Api.Wire;
using Gateway.Domain.Adapters;
using Gateway.Domain.Json;
using Gateway.Domain.Storage;
using Gateway.Model.Lora;
using Gateway.Security;
using Gateway.Storage;
using Gateway.Storage.Files;

namespace Gateway.Hosting;

/// <summary>A registered generation, or the error that says why there is none.</summary>
public readonly record struct Registration(Adapter? Adapter, ApiError? Error);

/// <summary>Turns PEFT folders into immutable, registered generations below the data folder. Thread-safe.</summary>
public sealed class AdapterRegistry(
    DataFolder data, BaseModel baseModel, IDocumentStore documents, ControlPlane control, AdapterSignatures signatures, TimeProvider clock)
    : IDisposable
{
    private const string ConfigFile = "adapter_config.json";
    private const string TensorFile = "adapter_model.safetensors";
    private const string ManifestFile = "manifest.json";

    // A folder must not go while its record comes.
    private readonly SemaphoreSlim _files = new(1);

    /// <summary>The files a generation may have; the first two are always there.</summary>
    public static IReadOnlyList<string> Files { get; } = [ConfigFile, TensorFile, ManifestFile, AdapterSignatures.FileName];

    /// <summary>
    /// Registers the adapter in <paramref name="source"/>: 1 checks its signature (one of an own run needs none), that it fits
    /// the base model exactly, and hashes it; 2 an identical one is returned as it is; 3 copies its files, synced, into a folder
    /// named by the generation; 4 commits the record. Idempotent by content. A manifest.json beside it binds it to a prompt and
    /// a base.
    /// </summary>
    public async Task<Registration> RegisterAsync(
        string source, string name, string? runId, string actor, string reason, CancellationToken cancellationToken)
    {
        // 1 Check and hash what was read.
        SignatureCheck signature = default;
        if (runId is null)
        {
            var signed = Files.Where(file => file != AdapterSignatures.FileName && File.Exists(Path.Combine(source, file))).ToList();
            signature = signatures.Check(source, signed);
            if (signature.Error is { } unsigned)
            {
                return new(null, unsigned);
            }
        }

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
                SignedBy = signature.SignedBy,
                CreatedAt = clock.GetUtcNow(),
            };
        }
        catch (InvalidAdapterException failure)
        {
            // Clients learn what is wrong, not where the operator keeps it.
            return new(null, ApiError.InvalidAdapter(failure.Message.Replace($"'{source}'", "the adapter folder", StringComparison.Ordinal)));
        }

        await _files.WaitAsync(cancellationToken);
        try
        {
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
        finally
        {
            _files.Release();
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _files.Dispose();

    /// <summary>The registered generation, or null.</summary>
    public async Task<Adapter?> FindAsync(string generation, CancellationToken cancellationToken) =>
        await documents.GetAsync(Collections.Adapters, generation, cancellationToken) is { } document
            ? JsonSerializer.Deserialize(document.Json.Span, DomainJson.Default.Adapter)
            : null;

    /// <summary>
    /// Removes a generation that no deployment serves, tries or returns to: 1 the record, if it is still unused at that moment;
    /// 2 the files. Null on success.
    /// </summary>
    public async Task<ApiError?> DeleteAsync(string generation, string actor, string reason, CancellationToken cancellationToken)
    {
        await _files.WaitAsync(cancellationToken);
        try
        {
            // 1 Record. A deployment that takes the adapter meanwhile writes its document again, so that this commit fails and the
            // decision is made anew.
            var error = await control.ApplyAsync(
                actor, "adapter.delete", generation, reason,
                async token =>
                    await documents.GetAsync(Collections.Adapters, generation, token) is not { } document
                        ? new([], ApiError.NotFound("adapter", generation))
                    : await UserOfAsync(generation, token) is { } deployment
                        ? new([], ApiError.AdapterInUse(generation, deployment))
                    : new ControlDecision<ApiError?>([new(Collections.Adapters, generation, document.Version, Json: null)], null),
                cancellationToken);

            // 2 Files: renamed first, so that a kill leaves no half folder under the name of a generation.
            if (error is null && Directory.Exists(data.AdapterPath(generation)))
            {
                var doomed = Path.Combine(data.Adapters, $".{Guid.NewGuid():N}");
                Directory.Move(data.AdapterPath(generation), doomed);
                Directory.Delete(doomed, recursive: true);
            }

            return error;
        }
        finally
        {
            _files.Release();
        }
    }

    /// <summary>The write that makes a commit fail when the adapter is deleted meanwhile; null when there is no such adapter.</summary>
    public async Task<DocumentWrite?> KeepAsync(string generation, CancellationToken cancellationToken) =>
        await documents.GetAsync(Collections.Adapters, generation, cancellationToken) is { } document
            ? new(Collections.Adapters, generation, document.Version, document.Json)
            : null;

    /// <summary>A deployment that needs the generation, or null.</summary>
    private async Task<string?> UserOfAsync(string generation, CancellationToken cancellationToken)
    {
        await foreach (var document in documents.ListAsync(Collections.Deployments, "", cancellationToken))
        {
            var deployment = JsonSerializer.Deserialize(document.Json.Span, DomainJson.Default.Deployment)!;
            var rollout = deployment.RolloutId is { } id
                && await documents.GetAsync(Collections.Rollouts, id, cancellationToken) is { } found
                    ? JsonSerializer.Deserialize(found.Json.Span, DomainJson.Default.Rollout)
                    : null;
            foreach (var needed in new[] { deployment.ReleaseId, deployment.PreviousReleaseId, rollout?.CandidateReleaseId })
            {
                if (needed is not null && await documents.GetAsync(Collections.Releases, needed, cancellationToken) is { } release
                    && JsonSerializer.Deserialize(release.Json.Span, DomainJson.Default.Release)!.Generation == generation)
                {
                    return deployment.Name;
                }
            }
        }

        return null;
    }

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
            foreach (var file in Files.Where(file => File.Exists(Path.Combine(source, file))))
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
