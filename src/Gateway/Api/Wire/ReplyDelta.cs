namespace Gateway.Api.Wire;

/// <summary>A token with its log-probability, as clients see it.</summary>
/// <param name="Piece">Its text; a part of a character is U+FFFD.</param>
/// <param name="Bytes">Its exact bytes.</param>
/// <param name="Logprob">Null for the first token of an echoed prompt.</param>
/// <param name="Alternatives">The likeliest tokens at its place, the likeliest first.</param>
/// <param name="TextOffset">Where it begins in the text.</param>
public sealed record ScoredToken(string Piece, byte[] Bytes, double? Logprob, IReadOnlyList<ScoredToken> Alternatives, int TextOffset = 0);

/// <summary>News of a tool call: its beginning with an id and a name, or more of its arguments.</summary>
/// <param name="Index">Number of the call.</param>
/// <param name="Id">Set at the beginning only.</param>
/// <param name="Name">Set at the beginning only.</param>
/// <param name="Arguments">A piece of JSON text; empty at the beginning.</param>
public sealed record ToolCallDelta(int Index, string? Id, string? Name, string Arguments);

/// <summary>What a choice has gained.</summary>
/// <param name="Text">Text for the user; may be empty.</param>
/// <param name="Calls">News of calls, in order.</param>
/// <param name="Tokens">The tokens it consists of, where log-probabilities were asked for.</param>
public sealed record ReplyDelta(string Text, IReadOnlyList<ToolCallDelta> Calls, IReadOnlyList<ScoredToken> Tokens);

/// <summary>How a choice ended.</summary>
/// <param name="Reason">stop, length, tool_calls or function_call.</param>
/// <param name="Stop">The stop string that ended it, or null.</param>
/// <param name="StopToken">The stop token that the caller named and that ended it, or null.</param>
public sealed record ChoiceEnd(string Reason, string? Stop = null, int? StopToken = null);

/// <summary>A choice from its beginning to its end.</summary>
/// <param name="Whole">All it gained; calls are whole.</param>
/// <param name="End">How it ended.</param>
public sealed record WholeChoice(ReplyDelta Whole, ChoiceEnd End);
