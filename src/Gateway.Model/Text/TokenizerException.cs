namespace Gateway.Model.Text;

/// <summary>A tokenizer file that is broken or asks for something that is not implemented; the message names it.</summary>
public sealed class TokenizerException : Exception
{
    /// <summary>Creates the exception with a message that says what to do next.</summary>
    public TokenizerException(string message, Exception? inner = null)
        : base(message, inner)
    {
    }

    internal static TokenizerException Unsupported(string what) =>
        new($"tokenizer.json: {what} is not supported; use a checkpoint whose tokenizer does without it.");
}
