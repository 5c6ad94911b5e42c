namespace Gateway.Model.Text;

/// <summary>Token ids and, for each, the characters of the input it covers.</summary>
/// <remarks>A token that holds a part of a character's bytes covers that whole character.</remarks>
public sealed record EncodedText(int[] Ids, TextSpan[] Offsets);
