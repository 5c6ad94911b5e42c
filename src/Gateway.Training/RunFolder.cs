using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Gateway.Model.Weights;

namespace Gateway.Training;

/// <summary>
/// A run as a folder. A stage writes its files first and its manifest <c>STAGE.json</c> last, each by temporary file, fsync
/// and rename, so that the presence of a manifest means the stage is whole and a rerun may skip it.
/// </summary>
public sealed class RunFolder : IDisposable
{
    private readonly FileStream _lock;

    private RunFolder(string path, FileStream held)
    {
        Path = path;
        _lock = held;
    }

    /// <summary>The folder's full path.</summary>
    public string Path { get; }

    /// <summary>
    /// Takes the folder's exclusive lock for the life of the object, or returns null when another process holds it.
    /// </summary>
    public static RunFolder? TryOpen(string path)
    {
        var full = System.IO.Path.GetFullPath(path);
        try
        {
            return new RunFolder(full, new FileStream(
                System.IO.Path.Combine(full, "lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None));
        }
        catch (IOException) when (Directory.Exists(full))
        {
            return null;
        }
    }

    /// <summary>A path below the folder.</summary>
    public string File(string name) => System.IO.Path.Combine(Path, name);

    /// <summary>The manifest of a finished stage, or null.</summary>
    public T? Read<T>(string stage, JsonTypeInfo<T> type)
        where T : class => ReadManifest(Path, stage, type);

    /// <summary>The manifest of a finished stage of the run in <paramref name="folder"/>, or null; needs no lock.</summary>
    public static T? ReadManifest<T>(string folder, string stage, JsonTypeInfo<T> type)
        where T : class
    {
        var file = System.IO.Path.Combine(folder, stage + ".json");
        return System.IO.File.Exists(file) ? JsonSerializer.Deserialize(System.IO.File.ReadAllBytes(file), type) : null;
    }

    /// <summary>Writes a manifest; what it vouches for must already be on disk.</summary>
    public void Write<T>(string stage, T manifest, JsonTypeInfo<T> type) => WriteManifest(Path, stage, manifest, type);

    /// <summary>Writes a manifest into <paramref name="folder"/>; needs no lock.</summary>
    public static void WriteManifest<T>(string folder, string stage, T manifest, JsonTypeInfo<T> type) =>
        DurableFile.Write(System.IO.Path.Combine(folder, stage + ".json"), stream => JsonSerializer.Serialize(stream, manifest, type));

    /// <summary>The rows of a JSON Lines file.</summary>
    public static IEnumerable<T> ReadRows<T>(string file, JsonTypeInfo<T> type)
    {
        foreach (var line in System.IO.File.ReadLines(file))
        {
            if (line.Length > 0)
            {
                yield return JsonSerializer.Deserialize(line, type)!;
            }
        }
    }

    /// <summary>Writes a JSON Lines file durably.</summary>
    public static void WriteRows<T>(string file, IEnumerable<T> rows, JsonTypeInfo<T> type) => DurableFile.Write(file, stream =>
    {
        foreach (var row in rows)
        {
            JsonSerializer.Serialize(stream, row, type);
            stream.WriteByte((byte)'\n');
        }
    });

    /// <inheritdoc/>
    public void Dispose() => _lock.Dispose();
}
