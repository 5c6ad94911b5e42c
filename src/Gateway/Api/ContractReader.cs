using System.Globalization;
using System.Text.Json;
using Gateway.Domain.Contracts;
using Gateway.Domain.Json;
using Gateway.Domain.Storage;

namespace Gateway.Api;

/// <summary>Finds contract versions by number or label. A missing one is null, never another one. Thread-safe.</summary>
public sealed class ContractReader(IDocumentStore documents)
{
    /// <summary>Every version of every contract, by name and version.</summary>
    public Task<IReadOnlyList<Contract>> AllAsync(CancellationToken cancellationToken) => ListAsync("", cancellationToken);

    /// <summary>The versions of one contract, oldest first.</summary>
    public Task<IReadOnlyList<Contract>> VersionsAsync(string name, CancellationToken cancellationToken) => ListAsync(name + "/", cancellationToken);

    /// <summary>One version, or null.</summary>
    public async Task<Contract?> ByVersionAsync(string name, int version, CancellationToken cancellationToken) =>
        await documents.GetAsync(Collections.Contracts, DocumentKeys.ContractVersion(name, version), cancellationToken) is { } document
            ? JsonSerializer.Deserialize(document.Json.Span, DomainJson.Default.Contract)
            : null;

    /// <summary>The version a label names, or null; <c>latest</c> is the newest one.</summary>
    public async Task<Contract?> ByLabelAsync(string name, string label, CancellationToken cancellationToken)
    {
        if (label == ContractNames.Latest)
        {
            return (await VersionsAsync(name, cancellationToken)).LastOrDefault();
        }

        return await documents.GetAsync(Collections.Labels, DocumentKeys.ContractLabel(name, label), cancellationToken) is { } document
            ? await ByVersionAsync(name, JsonSerializer.Deserialize(document.Json.Span, DomainJson.Default.ContractLabel)!.Version, cancellationToken)
            : null;
    }

    /// <summary>The version that a number or a label names, or null.</summary>
    public Task<Contract?> ByReferenceAsync(string name, string reference, CancellationToken cancellationToken) =>
        int.TryParse(reference, NumberStyles.None, CultureInfo.InvariantCulture, out var version)
            ? ByVersionAsync(name, version, cancellationToken)
            : ByLabelAsync(name, reference, cancellationToken);

    /// <summary>The labels of one contract.</summary>
    public async Task<IReadOnlyList<ContractLabel>> LabelsAsync(string name, CancellationToken cancellationToken)
    {
        var labels = new List<ContractLabel>();
        await foreach (var document in documents.ListAsync(Collections.Labels, name + "/", cancellationToken))
        {
            labels.Add(JsonSerializer.Deserialize(document.Json.Span, DomainJson.Default.ContractLabel)!);
        }

        return labels;
    }

    private async Task<IReadOnlyList<Contract>> ListAsync(string prefix, CancellationToken cancellationToken)
    {
        var contracts = new List<Contract>();
        await foreach (var document in documents.ListAsync(Collections.Contracts, prefix, cancellationToken))
        {
            contracts.Add(JsonSerializer.Deserialize(document.Json.Span, DomainJson.Default.Contract)!);
        }

        return contracts;
    }
}
