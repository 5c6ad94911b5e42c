namespace Gateway.Model.Text.Templates;

internal enum TokenKind
{
    /// <summary>Literal output.</summary>
    Text,

    /// <summary>The opening of {{ … }}.</summary>
    OutputBegin,

    /// <summary>The opening of {% … %}.</summary>
    BlockBegin,

    /// <summary>The closing of either.</summary>
    End,
    Name,
    String,
    Integer,
    Float,
    Operator,
    EndOfTemplate,
}

/// <summary>One lexical element of a template.</summary>
internal readonly record struct Token(TokenKind Kind, string Text, int Line)
{
    public override string ToString() => Kind switch
    {
        TokenKind.End => "end of the tag",
        TokenKind.EndOfTemplate => "end of the template",
        TokenKind.String => "a string",
        _ => $"'{Text}'",
    };
}
