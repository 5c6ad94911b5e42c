using System.Buffers;
using Microsoft.Win32.SafeHandles;

namespace Gateway.Storage.Files;

/// <summary>Reads a log file front to back through a window that grows to the largest record.</summary>
internal sealed class LogScanner(SafeFileHandle handle, long fileLength) : IDisposable
{
    private byte[] window = ArrayPool<byte>.Shared.Rent(1 << 20);
    private long start;
    private int filled;

    /// <summary>The bytes at an address, valid until the next call; false when the file ends before.</summary>
    public bool TryPeek(long address, int count, out ReadOnlySpan<byte> bytes)
    {
        bytes = default;
        if (address + count > fileLength)
        {
            return false;
        }

        if (address < start || address + count > start + filled)
        {
            Fill(address, count);
            if (filled < count)
            {
                return false;
            }
        }

        bytes = window.AsSpan((int)(address - start), count);
        return true;
    }

    /// <summary>The whole frame at an address; false when there is no intact one.</summary>
    public bool TryReadFrame(long address, out ReadOnlySpan<byte> frame)
    {
        frame = default;
        if (!TryPeek(address, LogFrame.HeaderSize, out var header))
        {
            return false;
        }

        var length = LogFrame.PayloadLength(header);
        return length > 0 && length <= fileLength - address - LogFrame.HeaderSize
            && LogFrame.DurableLength(header) <= address
            && TryPeek(address, LogFrame.HeaderSize + length, out frame)
            && LogFrame.IsIntact(frame);
    }

    /// <summary>
    /// True when an intact frame behind <paramref name="broken"/> says that the file was durable beyond it. The durable length
    /// is compared before the checksum is computed, so the search costs about one comparison per byte.
    /// </summary>
    public bool HasRecordWrittenAfter(long broken)
    {
        for (var address = broken + 1; TryPeek(address, LogFrame.HeaderSize, out var header); address++)
        {
            var durable = LogFrame.DurableLength(header);
            if (durable > broken && durable <= address && TryReadFrame(address, out _))
            {
                return true;
            }
        }

        return false;
    }

    /// <inheritdoc/>
    public void Dispose() => ArrayPool<byte>.Shared.Return(window);

    private void Fill(long address, int count)
    {
        if (window.Length < count)
        {
            ArrayPool<byte>.Shared.Return(window);
            window = ArrayPool<byte>.Shared.Rent(count);
        }

        (start, filled) = (address, 0);
        int read;
        while (filled < window.Length && (read = RandomAccess.Read(handle, window.AsSpan(filled), address + filled)) > 0)
        {
            filled += read;
        }
    }
}
