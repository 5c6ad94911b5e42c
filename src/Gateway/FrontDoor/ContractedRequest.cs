using Gateway.Api.Wire;
using Gateway.Domain.Contracts;

namespace Gateway.FrontDoor;

/// <summary>The request that goes to a worker under a contract: its messages and tools, its caps and, where it enforces one, its output schema.</summary>
internal static class ContractedRequest
{
    private const string FormatField = ReplyFormat.ResponseFormat + ".json_schema.schema";

    /// <summary>True when the contract fixes the form of replies and the caller asks for another one; "any JSON object" is none.</summary>
    public static bool HasOtherFormat(ChatCompletionRequest request, ContractContent? contract) =>
        contract?.OutputMode == OutputMode.Enforce && request.Format is { Kind: not ReplyFormatKind.JsonObject };

    /// <summary>The request with <paramref name="applied"/>, which was not a refusal.</summary>
    public static ChatCompletionRequest Of(ChatCompletionRequest request, ContractContent? contract, AppliedContract applied)
    {
        if (contract is null)
        {
            return request;
        }

        var sampling = contract.Sampling;
        return request with
        {
            Messages = applied.Messages!,
            Tools = applied.Tools,
            Temperature = sampling.MaxTemperature is { } cap ? Math.Min(request.Temperature ?? sampling.Temperature ?? 1, cap) : request.Temperature,
            MaxTokens = request.MaxTokens ?? sampling.DefaultMaxTokens,
            Format = contract is { OutputMode: OutputMode.Enforce, OutputSchema: { } schema }
                ? new ReplyFormat(ReplyFormatKind.JsonSchema, FormatField, schema.GetRawText())
                : request.Format,
        };
    }
}
