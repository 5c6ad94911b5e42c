using System.CommandLine;
using Gateway.Model.Text;

namespace Gateway.Commands;

/// <summary><c>gateway tokenize</c>: text to ids, so that tokenizer mistakes are seen before they cost anything.</summary>
internal static class TokenizeCommand
{
    /// <summary>The command with its options.</summary>
    public static Command Create()
    {
        var model = new Option<string>("--model") { Description = "Folder with tokenizer.json (and tokenizer_config.json).", Required = true };
        var special = new Option<bool>("--special") { Description = "Add the post-processor's tokens, such as BOS." };
        var command = new Command(
            "tokenize",
            """
            Read {"text"} lines on standard input, write {"ids"} lines. Special tokens in the text are recognised.

            Example:
              echo '{"text":"Hello world"}' | gateway tokenize --model ~/models/Qwen2.5-0.5B-Instruct
            """)
        {
            model, special,
        };
        command.SetAction((parsed, _) => RunAsync(parsed.GetRequiredValue(model), parsed.GetValue(special)));
        return command;
    }

    private static Task<int> RunAsync(string model, bool special)
    {
        Tokenizer tokenizer;
        try
        {
            tokenizer = Tokenizer.Load(model);
        }
        catch (TokenizerException e)
        {
            return Refusal.WriteAsync(e.Message);
        }

        return Task.FromResult(JsonLines.Run((line, writer) =>
            JsonLines.WriteIds(writer, tokenizer.Encode(JsonLines.Text(line, "text"), special))));
    }
}
