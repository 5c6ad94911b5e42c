using Gateway.Api;
using Gateway.Api.Wire;
using Gateway.Domain.Contracts;
using Gateway.Domain.Interactions;
using Gateway.Domain.Releases;

namespace Gateway.FrontDoor;

/// <summary>
/// Has workers read a contract's system prompt under a new generation before it takes traffic, so that the first requests find
/// it in the prefix cache: a request for one token through the workers' own dialect, which any worker that caches prefixes
/// understands. A worker that cannot is no reason to keep traffic away. Thread-safe.
/// </summary>
public sealed partial class PrefixWarming(WorkerPool pool, WorkerClient client, ContractReader contracts, ILogger<PrefixWarming> logger)
{
    /// <summary>Completes when every healthy worker has read the prompt of <paramref name="release"/> or failed to.</summary>
    /// <param name="model">The name under which workers have the release's generation.</param>
    /// <param name="release">The release that will take traffic.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public async Task WarmAsync(string model, Release release, CancellationToken cancellationToken)
    {
        if (release is not { ContractName: { } name, ContractVersion: { } version }
            || await contracts.ByVersionAsync(name, version, cancellationToken) is not { } contract
            || Body(model, contract.Content) is not { } body)
        {
            return;
        }

        await Task.WhenAll(pool.All.Where(worker => worker.Available).Select(async worker =>
        {
            var reply = await client.WarmAsync(worker, body, cancellationToken);
            if (!reply.Succeeded)
            {
                LogNotWarmed(worker.Name, model, reply.Error?.Message ?? $"status {reply.Status}");
            }
        }));
    }

    /// <summary>The shortest request with the contract's prompt; null when there is none, or when every request fills it in differently.</summary>
    private static byte[]? Body(string model, ContractContent contract)
    {
        IReadOnlyList<ChatMessage> shortest = [new ChatMessage { Role = "user", Content = "." }];
        if (contract.SystemPrompt is null || ContractApplication.Apply(contract, shortest) is not { Messages: { } messages } applied)
        {
            return null;
        }

        // Free of the output schema: a grammar may need more than the one token.
        var request = new ChatCompletionRequest { Model = model, Messages = messages, Tools = applied.Tools, MaxTokens = 1 };
        return OutboundChatBody.Write(request, model, messages, contract);
    }

    [LoggerMessage(LogLevel.Information, "Worker {Name} did not read the prompt of {Model} ahead, the first request will: {Reason}")]
    private partial void LogNotWarmed(string name, string model, string reason);
}
