using System.Buffers;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.Unicode;
using Gateway.Api.Wire;

namespace Gateway.FrontDoor;

/// <summary>
/// A worker's chunk and what the client got for it, each with a hole where the text stands. The chunks of a stream differ in
/// little else, so the next one is compared byte by byte instead of being parsed and written anew; whatever is not the
/// same around its text does not match. Used by one thread at a time.
/// </summary>
internal sealed class ChunkTemplate
{
    // What may not stand unescaped in a JSON string, and the backslash, whose meaning a parser knows.
    private static readonly SearchValues<byte> NotPlain = SearchValues.Create(
        [.. Enumerable.Range(0, ' ').Select(value => (byte)value), (byte)'"', (byte)'\\']);

    private byte[] _chunk = [];
    private byte[] _written = [];
    private (int Before, int After) _ofChunk;
    private (int Before, int After) _ofWritten;

    /// <summary>The choice that the chunk belongs to, or null while there is no template.</summary>
    public ChoiceRecord? Choice { get; private set; }

    /// <summary>Takes a chunk that brings text of one choice and no other news as the template.</summary>
    /// <param name="chunk">The worker's chunk, as it was read.</param>
    /// <param name="text">The text's string in it, with its quotes.</param>
    /// <param name="written">What the client gets.</param>
    /// <param name="copiedFrom">The value in <paramref name="chunk"/> that holds the text and stands in <paramref name="written"/> unchanged.</param>
    /// <param name="copiedTo">Where it stands there.</param>
    /// <param name="choice">Whose text it is.</param>
    public void Learn(JsonElement chunk, JsonElement text, ReadOnlySpan<byte> written, JsonElement copiedFrom, int copiedTo, ChoiceRecord choice)
    {
        var source = JsonMarshal.GetRawUtf8Value(chunk);
        var hole = JsonMarshal.GetRawUtf8Value(text);
        Keep(source, Offset(source, hole), hole.Length, ref _chunk, out _ofChunk);
        Keep(written, copiedTo + Offset(JsonMarshal.GetRawUtf8Value(copiedFrom), hole), hole.Length, ref _written, out _ofWritten);
        Choice = choice;
    }

    /// <summary>Writes what the client gets for a chunk that differs from the template in its text alone; false, with nothing written, for others.</summary>
    /// <param name="chunk">The worker's chunk.</param>
    /// <param name="output">Gets the client's.</param>
    /// <param name="text">Its text.</param>
    public bool TryWrite(ReadOnlySpan<byte> chunk, IBufferWriter<byte> output, out ReadOnlySpan<byte> text)
    {
        text = default;
        var (before, after) = _ofChunk;
        if (Choice is null || chunk.Length < before + after
            || !chunk.StartsWith(_chunk.AsSpan(0, before)) || !chunk.EndsWith(_chunk.AsSpan(before, after)))
        {
            return false;
        }

        text = chunk[before..^after];
        if (text.ContainsAny(NotPlain) || !Utf8.IsValid(text))
        {
            return false;
        }

        output.Write(_written.AsSpan(0, _ofWritten.Before));
        output.Write(text);
        output.Write(_written.AsSpan(_ofWritten.Before, _ofWritten.After));
        return true;
    }

    /// <summary>Keeps the bytes up to and with the string's first quote, and those from its last.</summary>
    private static void Keep(ReadOnlySpan<byte> bytes, int at, int length, ref byte[] kept, out (int Before, int After) parts)
    {
        parts = (at + 1, bytes.Length - at - length + 1);
        if (kept.Length < parts.Before + parts.After)
        {
            kept = new byte[parts.Before + parts.After];
        }

        bytes[..parts.Before].CopyTo(kept);
        bytes[^parts.After..].CopyTo(kept.AsSpan(parts.Before));
    }

    private static int Offset(ReadOnlySpan<byte> whole, ReadOnlySpan<byte> part) =>
        (int)Unsafe.ByteOffset(ref MemoryMarshal.GetReference(whole), ref MemoryMarshal.GetReference(part));
}
