using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Gateway.Model.Text;

namespace Gateway.Commands;

/// <summary><c>gateway render</c>: messages to the text, ids and training mask the model gets.</summary>
internal static class RenderCommand
{
    /// <summary>The command with its options.</summary>
    public static Command Create()
    {
        var model = new Option<string>("--model") { Description = "Folder with tokenizer_config.json; ids and mask need tokenizer.json too.", Required = true };
        var template = new Option<string?>("--template") { Description = "Jinja file to use instead of the model's chat template." };
        var now = new Option<string?>("--now") { Description = "ISO 8601 time that strftime_now tells. Default: the clock." };
        var command = new Command(
            "render",
            """
            Read {"messages","tools"?,"add_generation_prompt"?,"template_kwargs"?} lines, write {"text","ids","mask"} or {"error"}.

            Special tokens in ids come only from the template's own text; mask marks what training would teach.

            Example:
              echo '{"messages":[{"role":"user","content":"Hi"}],"add_generation_prompt":true}' | gateway render --model ./model
            """)
        {
            model, template, now,
        };
        command.SetAction((parsed, cancellationToken) =>
            RunAsync(parsed.GetRequiredValue(model), parsed.GetValue(template), parsed.GetValue(now), cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(
        string folder, string? templateFile, string? now, CancellationToken cancellationToken)
    {
        var time = TimeProvider.System.GetLocalNow();
        if (now is not null && !DateTimeOffset.TryParse(now, CultureInfo.InvariantCulture, DateTimeStyles.AssumeLocal, out time))
        {
            return await Refusal.WriteAsync($"--now '{now}' is not an ISO 8601 time such as 2025-01-05T09:07:00");
        }

        try
        {
            var template = templateFile is null ? null : ChatTemplate.Parse(await File.ReadAllTextAsync(templateFile, cancellationToken));
            var tokenizer = File.Exists(Path.Combine(folder, "tokenizer.json")) ? Tokenizer.Load(folder) : null;
            var renderer = tokenizer is null ? new ChatRenderer(TokenizerSettings.Load(folder), template) : new ChatRenderer(tokenizer, template);
            return JsonLines.Run((line, writer) => Render(renderer, tokenizer is not null, line, time, writer));
        }
        catch (Exception e) when (e is TokenizerException or TemplateException or IOException or UnauthorizedAccessException)
        {
            return await Refusal.WriteAsync(e.Message);
        }
    }

    private static void Render(ChatRenderer renderer, bool withIds, JsonElement line, DateTimeOffset now, Utf8JsonWriter writer)
    {
        var input = new ChatInput
        {
            Messages = line.TryGetProperty("messages", out var messages) && messages.ValueKind == JsonValueKind.Array
                ? messages
                : throw new BadLineException("expected an array \"messages\""),
            Tools = line.TryGetProperty("tools", out var tools) ? tools : null,
            AddGenerationPrompt = line.TryGetProperty("add_generation_prompt", out var add) && add.ValueKind == JsonValueKind.True,
            TemplateVariables = line.TryGetProperty("template_kwargs", out var variables) ? variables : null,
            Now = now,
        };
        try
        {
            if (!withIds)
            {
                writer.WriteString("text", renderer.RenderText(input));
                return;
            }

            var rendered = renderer.Render(input);
            if (rendered.Rejection is not null)
            {
                throw new BadLineException(rendered.Rejection);
            }

            writer.WriteString("text", rendered.Text);
            JsonLines.WriteIds(writer, rendered.Ids);
            writer.WriteStartArray("mask");
            foreach (var trained in rendered.Mask)
            {
                writer.WriteNumberValue(trained ? 1 : 0);
            }

            writer.WriteEndArray();
        }
        catch (TemplateException e)
        {
            throw new BadLineException(e.Message);
        }
    }
}
