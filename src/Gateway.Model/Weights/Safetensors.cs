using System.Buffers.Binary;
using System.IO.MemoryMappedFiles;
using System.Security.Cryptography;

namespace Gateway.Model.Weights;

/// <summary>
/// A memory-mapped safetensors file, checked strictly when opened (see SafetensorsHeader). Reads are thread-safe;
/// the file must not be changed in place while it is open (replace it by rename).
/// </summary>
public sealed unsafe class Safetensors : IDisposable
{
    private const int HashChunk = 1 << 26;

    private readonly MemoryMappedFile _file;
    private readonly MemoryMappedViewAccessor _view;
    private readonly byte* _data;

    private Safetensors(string path, MemoryMappedFile file, MemoryMappedViewAccessor view, byte* data,
        Dictionary<string, TensorEntry> tensors, Dictionary<string, string> metadata)
    {
        (Path, _file, _view, Tensors, Metadata) = (path, file, view, tensors, metadata);
        _data = data;
    }

    /// <summary>The file's path as given.</summary>
    public string Path { get; }

    /// <summary>All tensors by name.</summary>
    public IReadOnlyDictionary<string, TensorEntry> Tensors { get; }

    /// <summary>The free text pairs of the header.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>Maps the file and validates its header.</summary>
    /// <exception cref="ModelFormatException">The file is missing or breaks a rule of the format.</exception>
    public static Safetensors Open(string path)
    {
        var file = new FileInfo(path);
        if (!file.Exists)
        {
            throw new ModelFormatException($"'{path}' does not exist; put the safetensors file there.");
        }

        if (file.Length < 8)
        {
            throw new ModelFormatException($"'{path}' is too short for a safetensors file ({file.Length} bytes); download or export it again.");
        }

        var mapped = MemoryMappedFile.CreateFromFile(path, FileMode.Open, mapName: null, capacity: 0, MemoryMappedFileAccess.Read);
        MemoryMappedViewAccessor? view = null;
        try
        {
            view = mapped.CreateViewAccessor(0, file.Length, MemoryMappedFileAccess.Read);
            byte* start = null;
            view.SafeMemoryMappedViewHandle.AcquirePointer(ref start);
            start += view.PointerOffset;
            var headerBytes = BinaryPrimitives.ReadUInt64LittleEndian(new ReadOnlySpan<byte>(start, 8));
            if (headerBytes > SafetensorsHeader.MaximumBytes || headerBytes > (ulong)file.Length - 8)
            {
                throw new ModelFormatException($"'{path}' is not a safetensors file: it announces a header of {headerBytes} bytes. Download or export the file again.");
            }

            var json = new ReadOnlySpan<byte>(start + 8, (int)headerBytes).ToArray();
            var (tensors, metadata) = SafetensorsHeader.Parse(json, file.Length - 8 - (long)headerBytes, path);
            return new Safetensors(path, mapped, view, start + 8 + headerBytes, tensors, metadata);
        }
        catch
        {
            view?.SafeMemoryMappedViewHandle.ReleasePointer();
            view?.Dispose();
            mapped.Dispose();
            throw;
        }
    }

    /// <summary>The raw little-endian bytes of a tensor below 2 GiB; valid while this object is open.</summary>
    public ReadOnlySpan<byte> Bytes(TensorEntry tensor) => new(_data + tensor.Offset, checked((int)tensor.ByteLength));

    /// <summary>Converts an F32, F16 or BF16 tensor to f32 and checks that every value is finite.</summary>
    /// <param name="tensor">A tensor of this file.</param>
    /// <param name="destination">Room for <see cref="TensorEntry.Count"/> values.</param>
    /// <exception cref="ModelFormatException">Another element type, or a NaN or infinity.</exception>
    public void Read(TensorEntry tensor, float* destination)
    {
        var source = _data + tensor.Offset;
        var finite = tensor.Type switch
        {
            TensorType.F32 => FloatConversion.CopyF32(source, destination, tensor.Count),
            TensorType.F16 => FloatConversion.WidenF16(source, destination, tensor.Count),
            TensorType.BF16 => FloatConversion.WidenBF16(source, destination, tensor.Count),
            _ => throw new ModelFormatException($"tensor '{tensor.Name}' in '{Path}' is {tensor.Type}; convert it to F32, F16 or BF16."),
        };
        if (!finite)
        {
            throw new ModelFormatException($"tensor '{tensor.Name}' in '{Path}' contains NaN or infinity; export the weights again from a healthy model.");
        }
    }

    /// <summary>SHA-256 of a tensor's raw bytes.</summary>
    public byte[] Digest(TensorEntry tensor)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        for (var offset = 0L; offset < tensor.ByteLength; offset += HashChunk)
        {
            hash.AppendData(new ReadOnlySpan<byte>(_data + tensor.Offset + offset, (int)Math.Min(HashChunk, tensor.ByteLength - offset)));
        }

        return hash.GetHashAndReset();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (!_view.SafeMemoryMappedViewHandle.IsClosed)
        {
            _view.SafeMemoryMappedViewHandle.ReleasePointer();
            _view.Dispose();
        }

        _file.Dispose();
    }
}
