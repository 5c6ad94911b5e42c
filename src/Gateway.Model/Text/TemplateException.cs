namespace Gateway.Model.Text;

/// <summary>Why a chat template did not render.</summary>
public enum TemplateErrorKind
{
    /// <summary>The source is not a valid template, or uses a construct that is not supported.</summary>
    Syntax,

    /// <summary>The template met values it cannot work with.</summary>
    Runtime,

    /// <summary>The template itself refused the conversation with <c>raise_exception</c>; the message is its own.</summary>
    Raised,

    /// <summary>The template ran over a limit on output, loops or depth.</summary>
    Limit,
}

/// <summary>A chat template that cannot be parsed or rendered; the message names the construct and its line.</summary>
public sealed class TemplateException : Exception
{
    /// <summary>Creates the exception; <paramref name="line"/> counts from 1, 0 when unknown.</summary>
    public TemplateException(TemplateErrorKind kind, string message, int line = 0)
        : base(kind == TemplateErrorKind.Raised || line == 0 ? message : $"Template line {line}: {message}")
    {
        Kind = kind;
        Line = line;
        Reason = message;
    }

    /// <summary>What kind of failure this is.</summary>
    public TemplateErrorKind Kind { get; }

    /// <summary>The line of the template, counted from 1; 0 when unknown.</summary>
    public int Line { get; }

    /// <summary>The message without the line.</summary>
    internal string Reason { get; }

    internal static TemplateException Runtime(string message) => new(TemplateErrorKind.Runtime, message);
}
