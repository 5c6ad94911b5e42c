using System.Text;
using Gateway.Api.Wire;
using Gateway.Security;

namespace Gateway.Responses;

/// <summary>A request's conversation: what it continues and what is new.</summary>
/// <param name="Ancestors">The responses it continues, the first one first.</param>
/// <param name="History">Their items.</param>
/// <param name="Input">The new items, each with an id.</param>
/// <param name="InputBytes">Bytes of the new items.</param>
internal sealed record ResolvedInput(IReadOnlyList<StoredResponse> Ancestors, IReadOnlyList<ResponseItem> History, IReadOnlyList<ResponseItem> Input, long InputBytes)
{
    /// <summary>The response it continues, or null.</summary>
    public StoredResponse? Previous => Ancestors.Count == 0 ? null : Ancestors[^1];

    /// <summary>Every item in order.</summary>
    public IReadOnlyList<ResponseItem> All => [.. History, .. Input];
}

/// <summary>
/// Finds what a request refers to. A reply is never made without its history: whatever is missing is an error. Thread-safe.
/// </summary>
internal sealed class ResponseChain(StoredResponses stored, ResponseOptions options)
{
    /// <summary>
    /// 1 the responses that are continued, up to the first; 2 stored items that the input names; 3 ids for new ones; 4 calls and
    /// outputs pair over the whole conversation.
    /// </summary>
    public async Task<(ResolvedInput? Resolved, ApiError? Error)> ResolveAsync(
        ResponseRequest request, ResponseItemIds ids, Caller caller, CancellationToken cancellationToken)
    {
        // 1 Ancestors.
        var ancestors = new List<StoredResponse>();
        for (var id = request.Previous; id is not null; id = ancestors[^1].Previous)
        {
            if (await stored.FindAsync(id, caller, cancellationToken) is not { MayBeContinued: true } found)
            {
                return (null, ApiError.PreviousResponseNotFound(id));
            }

            ancestors.Add(found);
            if (ancestors[0].Depth >= options.MaximumAncestors)
            {
                return (null, ApiError.ChainTooLong($"{options.MaximumAncestors} responses"));
            }
        }

        ancestors.Reverse();
        var history = ancestors.SelectMany(response => response.Items()).ToList();

        // 2 and 3 New items.
        var known = new Dictionary<string, StoredResponse?>(StringComparer.Ordinal);
        var used = history.Select(item => item.Id).ToHashSet(StringComparer.Ordinal);
        var input = new List<ResponseItem>(request.Input.Count);
        foreach (var item in request.Input)
        {
            var original = item.Id.Length == 0 ? null : await OriginalAsync(item.Id, caller, known, cancellationToken);
            if (item.Kind == ResponseItemKind.Reference && original is null)
            {
                return (null, ApiError.ItemNotFound(item.Id));
            }

            var taken = item.Kind == ResponseItemKind.Reference ? original! : item;
            input.Add(original is not null && used.Add(taken.Id) ? taken : taken with { Id = ids.Next(taken.IdPrefix) });
        }

        var bytes = input.Sum(Size);
        if ((ancestors.Count == 0 ? 0 : ancestors[^1].ChainBytes) + bytes > options.MaximumChainBytes)
        {
            return (null, ApiError.ChainTooLong($"{options.MaximumChainBytes} bytes of items"));
        }

        // 4 Pairs.
        var resolved = new ResolvedInput(ancestors, history, input, bytes);
        return ResponseMessages.Check(resolved.All) is { } error ? (null, error) : (resolved, null);
    }

    /// <summary>The items that led to a response, oldest first: those of its ancestors, as far as they are there, and its own input.</summary>
    public async Task<IReadOnlyList<ResponseItem>> ItemsOfAsync(StoredResponse response, Caller caller, CancellationToken cancellationToken)
    {
        var ancestors = new List<StoredResponse>();
        for (var id = response.Previous; id is not null && await stored.FindAsync(id, caller, cancellationToken) is { } found; id = found.Previous)
        {
            ancestors.Add(found);
        }

        ancestors.Reverse();
        return [.. ancestors.SelectMany(ancestor => ancestor.Items()), .. ResponseItemReader.ReadStored(response.Input)];
    }

    /// <summary>About what an item takes.</summary>
    public static long Size(ResponseItem item) =>
        64 + Encoding.UTF8.GetByteCount(item.Text) + item.CallId.Length + item.Name.Length + item.Parts.Sum(part => (long)Encoding.UTF8.GetByteCount(part.Text));

    /// <summary>The caller's stored item of an id, or null.</summary>
    private async Task<ResponseItem?> OriginalAsync(string id, Caller caller, Dictionary<string, StoredResponse?> known, CancellationToken cancellationToken)
    {
        if (ResponseItemIds.ResponseOf(id) is not { } responseId)
        {
            return null;
        }

        if (!known.TryGetValue(responseId, out var response))
        {
            known[responseId] = response = await stored.FindAsync(responseId, caller, cancellationToken);
        }

        return response?.Items().FirstOrDefault(item => item.Id == id);
    }
}
