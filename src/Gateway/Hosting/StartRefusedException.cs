namespace Gateway.Hosting;

/// <summary>The process cannot start; the message is one sentence that says what to do next.</summary>
public sealed class StartRefusedException(string message, Exception? inner = null) : Exception(message, inner);
