namespace Gateway.Model.Weights;

/// <summary>A checkpoint cannot be used; the message names the file, tensor or field and says what to do.</summary>
public sealed class ModelFormatException : Exception
{
    /// <summary>Creates the exception with a message that says what to do next.</summary>
    public ModelFormatException(string message)
        : base(message)
    {
    }

    /// <summary>Creates the exception with the failure that caused it.</summary>
    public ModelFormatException(string message, Exception inner)
        : base(message, inner)
    {
    }
}
