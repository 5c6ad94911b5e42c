namespace Gateway.Storage;

/// <summary>
/// The store cannot do its work now: folder in use or not writable, disk failing, Redis gone. The message is one sentence
/// that says what to do next; the front door answers 503 with it.
/// </summary>
public sealed class StoreUnavailableException(string message, Exception? inner = null) : IOException(message, inner);
