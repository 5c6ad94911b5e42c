using System.Text.Json;
using Gateway.Api.Wire;
using Gateway.Domain.Contracts;
using Gateway.Domain.Json;
using Gateway.FrontDoor;

namespace Gateway.Api;

/// <summary>Shows what the model would see of a request under a contract, and what it would cost, without generating anything.</summary>
internal static class ContractRenderEndpoint
{
    /// <summary>The route table.</summary>
    public static void MapContractRendering(this IEndpointRouteBuilder routes) => routes.MapPost("/v1/contracts/{name}/render", RenderAsync);

    /// <summary>
    /// Body of a rendering: messages, variables and tools as in a chat request; version or label as in reading a contract.
    /// </summary>
    internal sealed record RenderContract(int? Version, string? Label, JsonElement? Messages, JsonElement? Variables, JsonElement? Tools);

    private static async Task<IResult> RenderAsync(string name, HttpContext context, ContractReader contracts, PromptPreview preview)
    {
        var (body, error) = await ControlBody.ReadAsync(context.Request, ApiJson.Default.RenderContract);
        if (body is null)
        {
            return ApiReply.Error(error!);
        }

        if (body is { Version: not null, Label: not null })
        {
            return ApiReply.Error(ApiError.InvalidValue("label", "give either 'version' or 'label', not both."));
        }

        var reference = body.Version?.ToString(System.Globalization.CultureInfo.InvariantCulture) ?? body.Label ?? ContractNames.Production;
        if (await contracts.ByReferenceAsync(name, reference, context.RequestAborted) is not { } contract)
        {
            return ApiReply.Error(ApiError.NotFound("contract version", $"{name}@{reference}"));
        }

        return body.Messages is { } messages
            ? Render(contract, messages, body, preview)
            : ApiReply.Error(ApiError.MissingParameter("messages"));
    }

    private static IResult Render(Contract contract, JsonElement given, RenderContract body, PromptPreview preview)
    {
        var fields = new FieldReader();
        var messages = new MessagesReader(fields).Read(given);
        var tools = body.Tools is { } array ? fields.OfKind(array, "tools", JsonValueKind.Array) : null;
        if (fields.Error is { } invalid)
        {
            return ApiReply.Error(invalid);
        }

        var applied = ContractApplication.Apply(contract.Content, messages!, body.Variables, tools);
        if (applied.Refusal is { } refusal)
        {
            return ApiReply.Error(ApiError.ContractRefused(refusal));
        }

        var request = new ChatCompletionRequest
        {
            Model = contract.Name,
            Messages = applied.Messages!,
            Tools = applied.Tools,
            ChatTemplate = contract.Content.ChatTemplate,
        };
        if (!preview.TryRender(request, out var prompt, out var error))
        {
            return ApiReply.Error(error);
        }

        return ApiReply.Bytes(StatusCodes.Status200OK, writer =>
        {
            writer.WriteStartObject();
            writer.WriteString("object", "contract.rendering");
            writer.WriteString("contract", $"{contract.Name}@{contract.Version}");
            writer.WriteString("prompt_hash", contract.PromptHash);
            writer.WritePropertyName("messages");
            JsonSerializer.Serialize(writer, applied.Messages!, DomainJson.Default.IReadOnlyListChatMessage);
            writer.WriteString("text", prompt.Text);
            writer.WriteStartArray("token_ids");
            foreach (var id in prompt.Ids)
            {
                writer.WriteNumberValue(id);
            }

            writer.WriteEndArray();
            writer.WriteNumber("prompt_tokens", prompt.Ids.Length);
            writer.WriteEndObject();
        });
    }
}
