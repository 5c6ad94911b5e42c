namespace Gateway.Model.Lora;

/// <summary>An adapter cannot be used (code <c>invalid_lora_adapter</c>); the message names the tensor or field and says what to do.</summary>
public sealed class InvalidAdapterException : Exception
{
    /// <summary>Creates the exception with a message that says what to do next.</summary>
    public InvalidAdapterException(string message)
        : base(message)
    {
    }

    /// <summary>Creates the exception with the failure that caused it.</summary>
    public InvalidAdapterException(string message, Exception inner)
        : base(message, inner)
    {
    }
}
