namespace Gateway.Worker.ToolCalls;

/// <summary>What a part of a reply is.</summary>
internal enum ReplyPartKind
{
    /// <summary>Text for the user.</summary>
    Content,

    /// <summary>The beginning of a call; the text is the function's name.</summary>
    Call,

    /// <summary>A piece of the call's arguments.</summary>
    Arguments,
}

/// <summary>A part of a reply as a parser finds it.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Call">Number of the call, from 0 on; 0 for content.</param>
/// <param name="Text">Never empty for content and calls.</param>
internal readonly record struct ReplyPart(ReplyPartKind Kind, int Call, string Text);
