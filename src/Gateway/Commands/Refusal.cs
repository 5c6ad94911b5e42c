namespace Gateway.Commands;

/// <summary>How a command says that it cannot do what it was asked.</summary>
internal static class Refusal
{
    /// <summary>Writes one sentence to standard error and returns the exit code.</summary>
    public static async Task<int> WriteAsync(string sentence)
    {
        await Console.Error.WriteLineAsync($"gateway: {sentence}");
        return 1;
    }
}
